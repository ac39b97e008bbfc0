"""`/v1/retentions/{person_id}`: what stands in the way of erasing a person.   (个人信息保护法 art. 47)"""

from datetime import date

import msgspec
from fastapi import Request
from fastapi.responses import Response

from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_events import ClaimPaid
from services.subsidy.intake.facts import PersonFact
from shared.eventstore.listing import read_page, shows_what_is_there
from shared.eventstore.needs import Needs, fact_of
from shared.eventstore.store import Store
from shared.web.answers import gives
from shared.web.caller import allow
from shared.web.command import store_of
from shared.web.fields import PersonRef
from shared.web.routes import router

api = router("留存")

RECORD_YEARS = 30
"""How long the record of a payment is kept.   (会计档案管理办法, annex 1: 会计凭证)"""
CLAIMS = 200
PATIENCE = 2.0


class _Listed(msgspec.Struct):
    id: str


class RetentionDuty(msgspec.Struct, frozen=True):
    """`open_matters` are claims that have not ended; `retained_until` is the last day of the longest duty, or null.

    Nothing may be made of it before it is `final`: until the person is restricted here, a claim may still come in.
    """

    person_id: str
    final: bool
    open_matters: tuple[str, ...]
    retained_until: date | None


@api.get("/retentions/{person_id}", summary="未办结的申请与须留存至何日")
@allow("service:registry", "auditor")
@gives(RetentionDuty)
async def read(request: Request, person_id: PersonRef) -> Response:
    store = store_of(request)
    final = await _is_final(store, person_id)
    items = (await read_page(store.pool, "claim", [f"person:{person_id}"], None, CLAIMS)).items
    claims = [msgspec.json.decode(item, type=_Listed).id for item in items]
    work = await store.look(Needs(streams=tuple(claims)))
    paid_on = [
        stored.event.paid_on
        for claim in claims
        for stored in work.history(claim)
        if isinstance(stored.event, ClaimPaid)
    ]
    duty = RetentionDuty(
        person_id,
        final,
        tuple(claim for claim in claims if not work.state(CLAIM, claim).ended),
        _last_day(max(paid_on)) if paid_on else None,
    )
    return Response(msgspec.json.encode(duty), media_type="application/json")


async def _is_final(store: Store, person_id: str) -> bool:
    """Whether no claim of this person can be missed: new ones are refused here, and the others are in the list."""
    person = (await store.look(Needs(facts=(fact_of(PersonFact, person_id),)))).fact(PersonFact, person_id)
    return person is not None and person.restricted and await shows_what_is_there(store.pool, PATIENCE)


def _last_day(paid_on: date) -> date:
    """Periods of accounting records begin with the day after the accounting year.   (会计档案管理办法)"""
    return date(paid_on.year + RECORD_YEARS, 12, 31)
