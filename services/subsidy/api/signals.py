"""`/v1/claims/{id}/signals`: what stands out about a claim, for the people who decide; nothing of it decides."""

from datetime import date, timedelta

import asyncpg
import msgspec
from fastapi import Request
from fastapi.responses import Response

from services.subsidy.api.claims import look_at
from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.signals import (
    BURST_DAYS,
    USUAL_DAYS,
    Signal,
    account_changed,
    account_shared,
    institution_burst,
    organisation_new,
)
from shared.web.answers import gives
from shared.web.caller import allow
from shared.web.command import store_of
from shared.web.routes import router

api = router("申请")

SHARED = (
    "select other.claim, other.person from claim_link mine join claim_link other"
    " on other.account = mine.account and other.person <> mine.person where mine.claim = $1 order by other.claim"
)
BURST = (
    "select claim from claim_link where institution = $1 and submitted_on between $2 and $3 and claim <> $4"
    " order by claim"
)
BEFORE = "select count(*) from claim_link where institution = $1 and submitted_on between $2 and $3"


class ShownSignals(msgspec.Struct, frozen=True):
    """What stands out about a claim; empty where nothing does."""

    claim_id: str
    signals: tuple[Signal, ...]


@api.get(
    "/claims/{claim_id}/signals",
    summary="提示：供审核、批准人员参考，不作为决定",
    description="每项提示附说明、数字和有关申请的编号；提示不改变申请的状态，也不代替人的判断。",
)
@allow("district:*/reviewer", "district:*/approver", "city", "auditor")
@gives(ShownSignals, refuses=(404,))
async def read(request: Request, claim_id: str) -> Response:
    """Claims submitted before links were kept are not among those that are compared."""
    claim = (await look_at(request, claim_id)).state(CLAIM, claim_id)
    assert claim.submission is not None
    pool = store_of(request).pool
    found = (
        await _shared(pool, claim_id),
        await _burst(pool, claim_id, claim.submission.institution_id, claim.submission.submitted_on),
        organisation_new(claim.facts),
        account_changed(claim.payee_accounts),
    )
    shown = ShownSignals(claim_id, tuple(signal for signal in found if signal is not None))
    return Response(msgspec.json.encode(shown), media_type="application/json")


async def _shared(pool: asyncpg.Pool, claim_id: str) -> Signal | None:
    rows = await pool.fetch(SHARED, claim_id)
    return account_shared(len({row["person"] for row in rows}), [row["claim"] for row in rows])


async def _burst(pool: asyncpg.Pool, claim_id: str, institution: str | None, day: date) -> Signal | None:
    if institution is None:
        return None
    first = day - timedelta(days=BURST_DAYS - 1)
    others = [row["claim"] for row in await pool.fetch(BURST, institution, first, day, claim_id)]
    usual: int = await pool.fetchval(BEFORE, institution, first - timedelta(days=USUAL_DAYS), first - timedelta(days=1))
    return institution_burst(len(others) + 1, usual, others)
