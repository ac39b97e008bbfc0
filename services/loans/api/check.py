"""`/v1/whitelist/check`: is this person and organisation on the bank's whitelist now? The hottest path of the city.

It answers from the row that the entry's events write in their own transaction, so that once a revocation is accepted
no check says yes. One grouped look-up by key, no event, no model of the answer.
"""

from datetime import date, datetime

import msgspec
from fastapi import Request
from fastapi.responses import Response

from services.loans.api.fields import acting_for
from services.loans.domain.entry import WHITELIST, WhitelistRow, whitelist_key
from shared.eventstore.needs import Needs
from shared.values.calendar import shanghai_date
from shared.web.answers import gives
from shared.web.body import declares, read_body
from shared.web.caller import allow
from shared.web.command import store_of
from shared.web.fields import OrganisationRef, PersonRef
from shared.web.routes import Body, router
from shared.web.signing.declared import signed

api = router("白名单核验")


class Question(Body):
    person_id: PersonRef
    organisation_id: OrganisationRef


class Listing(msgspec.Struct, frozen=True, omit_defaults=True):
    """`entry_id` and `valid_until` only where `listed`. Written by hand below: this is the hottest path."""

    listed: bool
    as_of: datetime
    entry_id: str | None = None
    valid_until: date | None = None


@api.post(
    "/whitelist/check",
    operation_id="checkWhitelist",
    summary="核验是否在白名单中",
    description="答案总是当前的：撤销一经受理，即不再答 `listed: true`。",
    openapi_extra=declares(Question),
)
@allow("bank:*")
@signed
@gives(Listing)
async def check(request: Request) -> Response:
    bank = acting_for(request, "bank")
    asked = await read_body(request, Question)
    key = whitelist_key(bank, asked.person_id, asked.organisation_id)
    work = await store_of(request).look(Needs(rows=((WHITELIST, key),)))
    row = work.row(WHITELIST, key, WhitelistRow)
    as_of = work.now.isoformat()
    if row is None or shanghai_date(work.now) > row.valid_until:
        body = f'{{"listed":false,"as_of":"{as_of}"}}'
    else:
        body = f'{{"listed":true,"entry_id":"{row.entry_id}","valid_until":"{row.valid_until}","as_of":"{as_of}"}}'
    return Response(body.encode(), media_type="application/json")
