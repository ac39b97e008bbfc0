"""`/v1/claims/{id}/screening`: every rule with what it saw and why, and whether judging again gives the same."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

import msgspec
from fastapi import Request
from fastapi.responses import Response
from msgspec.structs import replace

from services.subsidy.api.claims import look_at
from services.subsidy.domain.claim import CLAIM, Claim
from services.subsidy.domain.claim_events import ClaimRescreened, ClaimScreened
from services.subsidy.domain.explanation import ExplainedRule, explained
from services.subsidy.domain.policy_version import PolicyVersion
from services.subsidy.domain.screening import amount_of, results_of, screen
from services.subsidy.intake.judging import active_versions
from shared.eventstore.decider import Event
from shared.eventstore.needs import Needs
from shared.web.answers import shows
from shared.web.caller import allow
from shared.web.command import answer, current, store_of
from shared.web.routes import router

api = router("申请")


class ShownScreening(msgspec.Struct, frozen=True):
    """Why a claim's rules came out as they did.

    `policy_version` is null, and `rules` empty, while no version has judged the claim. `rules` are as they stand: with
    registry's answer about the account and the reviewer's attestations since. `reproduced`: whether the same version
    and the facts of that day give the recorded results and amount again; null where nothing was judged. `judged_on`:
    the Asia/Shanghai day whose version judges; `amount` in CNY.
    """

    claim_id: str
    programme: str
    policy_version: str | None
    title: str | None
    source: str | None
    judged_on: date
    amount: Decimal | None
    reproduced: bool | None
    rules: tuple[ExplainedRule, ...]


@api.get(
    "/claims/{claim_id}/screening",
    summary="初筛说明：逐条规则的依据、所见事实及其来源",
    description="每条规则附一句说明；并按当日的政策版本和事实重新判断一次，`reproduced` 表示结果与当日记录一致。",
)
@allow("app", "district:*/*", "city", "finance/*", "auditor", "service:audit")
@shows(ShownScreening)
async def read(request: Request, claim_id: str) -> Response:
    claim = (await look_at(request, claim_id)).state(CLAIM, claim_id)
    assert claim.submission is not None
    programme = claim.submission.programme
    work = await store_of(request).look(Needs(streams=(claim_id,), rows=(("policy", programme),)))
    judged = latest(item.event for item in work.history(claim_id))
    version = None if judged is None else active_versions(work, programme).named(judged.policy_version)
    return current(request, answer(work, claim_id, shown(claim_id, work.state(CLAIM, claim_id), judged, version)))


Judged = ClaimScreened | ClaimRescreened


def latest(history: Iterable[Event]) -> Judged | None:
    """The screening that stands: the last one."""
    found: Judged | None = None
    for event in history:
        if isinstance(event, Judged):
            found = event
    return found


def shown(id: str, claim: Claim, judged: Judged | None, version: PolicyVersion | None) -> ShownScreening:
    """The screening as it stands, explained by the version that judged; nothing where none has."""
    assert claim.submission is not None
    programme, judged_on = claim.submission.programme, claim.submission.judged_on
    if judged is None or version is None:
        return ShownScreening(id, programme, None, None, None, judged_on, None, None, ())
    facts = replace(judged.facts, payee_matches=claim.payee_matches, attested=judged.facts.attested | claim.attested)
    return ShownScreening(
        id,
        programme,
        version.version,
        version.title,
        version.source,
        judged_on,
        judged.amount,
        reproduced(judged, version),
        explained(version, facts),
    )


def reproduced(judged: Judged, version: PolicyVersion) -> bool:
    """Whether the version and the facts of that day give the recorded outcome of each rule, and amount, once more."""
    again = [(result.rule, result.clause, result.passed) for result in screen(version, judged.facts)]
    recorded = [(result.rule, result.clause, result.passed) for result in results_of(judged.results)]
    return again == recorded and amount_of(version, judged.facts) == judged.amount
