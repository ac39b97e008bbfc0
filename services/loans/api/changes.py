"""`/v1/whitelist/changes`: what changed on the bank's whitelist since a position, ends included.   (A-12)"""

from datetime import date
from typing import Annotated, Literal

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response

from services.loans.api.fields import acting_for
from services.loans.domain.entry import EntryExpired, EntryInEffect, EntryRevoked, EntrySuspended
from shared.eventstore.decider import Event
from shared.web.answers import gives
from shared.web.caller import allow
from shared.web.command import store_of
from shared.web.routes import router
from shared.web.signing.declared import signed

api = router("白名单变更")

PAGE = 200
SPAN = 5_000
"""How many positions of the log one answer looks at: an answer may be empty and still move on."""
LAST = 2**53 - 1
"""The largest integer that every reader of JSON keeps exact."""


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """`on` is the business day; the ids and the last day are told of what comes into effect."""

    position: int
    entry_id: str
    change: Literal["in_effect", "suspended", "revoked", "expired"]
    on: date
    person_id: str | None = None
    organisation_id: str | None = None
    valid_until: date | None = None


class Changes(msgspec.Struct, frozen=True):
    items: tuple[Change, ...]
    position: int
    next: str | None


@api.get(
    "/whitelist/changes",
    summary="白名单变更（含失效）",
    description="以 `position` 为下一次的 `since`；`next` 为 null 时已到末尾。",
)
@allow("bank:*")
@signed
@gives(Changes)
async def changes(request: Request, since: Annotated[int, Query(ge=0, le=LAST)] = 0) -> Response:
    """`position` is the cursor: ask again with `since` set to it. `next` is null once the end has been reached."""
    bank = acting_for(request, "bank")
    store, head = store_of(request), request.app.state.reader.head
    until = max(since, min(since + SPAN, head))
    rows = await store.pool.fetch("select * from whitelist_changes($1, $2, $3, $4)", bank, since, until, PAGE)
    position = rows[-1]["position"] if len(rows) == PAGE else until
    items = tuple(_shown(row["position"], store.types.decode(row["type"], row["payload"])) for row in rows)
    body = Changes(items, position, str(position) if position < head else None)
    return Response(msgspec.json.encode(body), media_type="application/json")


def _shown(position: int, event: Event) -> Change:
    match event:
        case EntryInEffect(entry_id=id):
            about = event.person_id, event.organisation_id, event.valid_until
            return Change(position, id, "in_effect", event.valid_from, *about)
        case EntrySuspended(entry_id=id):
            return Change(position, id, "suspended", event.suspended_on)
        case EntryRevoked(entry_id=id):
            return Change(position, id, "revoked", event.revoked_on)
        case EntryExpired(entry_id=id):
            return Change(position, id, "expired", event.expired_on)
        case _:
            raise TypeError(type(event).__name__)
