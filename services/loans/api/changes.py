"""`/v1/whitelist/changes`: what changed on the bank's whitelist since a position, ends included.   (A-12)"""

from typing import Annotated

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response

from services.loans.api.fields import acting_for
from services.loans.domain.entry import EntryExpired, EntryInEffect, EntryRevoked, EntrySuspended
from shared.eventstore.decider import Event
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


@api.get("/whitelist/changes", summary="白名单变更（含失效）")
@allow("bank:*")
@signed
async def changes(request: Request, since: Annotated[int, Query(ge=0, le=LAST)] = 0) -> Response:
    """`position` is the cursor: ask again with `since` set to it. `next` is null once the end has been reached."""
    bank = acting_for(request, "bank")
    store, head = store_of(request), request.app.state.reader.head
    until = max(since, min(since + SPAN, head))
    rows = await store.pool.fetch("select * from whitelist_changes($1, $2, $3, $4)", bank, since, until, PAGE)
    position = rows[-1]["position"] if len(rows) == PAGE else until
    items = [_shown(row["position"], store.types.decode(row["type"], row["payload"])) for row in rows]
    body = {"items": items, "position": position, "next": str(position) if position < head else None}
    return Response(msgspec.json.encode(body), media_type="application/json")


def _shown(position: int, event: Event) -> dict[str, object]:
    match event:
        case EntryInEffect():
            change, on = "in_effect", event.valid_from
        case EntrySuspended():
            change, on = "suspended", event.suspended_on
        case EntryRevoked():
            change, on = "revoked", event.revoked_on
        case EntryExpired():
            change, on = "expired", event.expired_on
        case _:
            raise TypeError(type(event).__name__)
    shown: dict[str, object] = {"position": position, "entry_id": event.entry_id, "change": change, "on": on}
    if isinstance(event, EntryInEffect):
        shown |= {
            "person_id": event.person_id,
            "organisation_id": event.organisation_id,
            "valid_until": event.valid_until,
        }
    return shown
