"""`/v1/claims/{id}/history` and `/v1/access-log`: what the archive knows."""

from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response

from services.audit.archive.history import History, from_archive
from services.audit.archive.timeline import Line, line
from services.audit.intake.claims import ClaimAsTold, differences
from shared.eventstore.record import Record, canonical, parse
from shared.web.answers import Page, gives
from shared.web.caller import allow
from shared.web.command import store_of, unknown
from shared.web.fields import Moment, Name, PersonRef
from shared.web.lists import paged
from shared.web.peers import PeerUnavailable
from shared.web.problem import Problem, of_rejection
from shared.web.routes import router

api = router("审计")


class LocatedRecord(msgspec.Struct, frozen=True):
    """Where a record stands: `record` is as it was first written, `leaf` its hash in the service's log."""

    service: str
    position: int
    leaf: str
    record: Record


class ClaimHistory(msgspec.Struct, frozen=True):
    claim: ClaimAsTold
    proofs: str
    timeline: tuple[Line, ...]
    items: tuple[LocatedRecord, ...]


class Comparison(msgspec.Struct, frozen=True):
    claim_id: str
    identical: bool
    findings: tuple[str, ...]


class Access(msgspec.Struct, frozen=True):
    """`at` is the business clock; `requester` is the client that asked.

    `subject`: what the data stood in, such as a payment batch; null where people were asked about by their ids.
    """

    at: datetime
    recorded_at: datetime
    client: str
    user: str | None
    requester: str
    person_ids: tuple[str, ...]
    fields: tuple[str, ...]
    purpose: str
    revealed: bool
    subject: str | None = None


async def history_of(request: Request, claim_id: str, as_of: datetime | None) -> History:
    found = await from_archive(store_of(request).pool, claim_id, as_of)
    if found is None:
        raise of_rejection(unknown("申请"))
    return found


@api.get("/claims/{claim_id}/history", summary="申请的完整历史，跨服务，可指定时点")
@allow("auditor", "city", "ops")
@gives(ClaimHistory)
async def history(request: Request, claim_id: str, as_of: Moment | None = None) -> Response:
    found = await history_of(request, claim_id, as_of)
    items = b",".join(
        b'{"service":"%s","position":%d,"leaf":"%s","record":%s}'
        % (item.service.encode(), item.position, item.leaf.encode(), canonical(item.record))
        for item in found.items
    )
    timeline = msgspec.json.encode([line(item) for item in found.items])
    claim = msgspec.json.encode(found.claim)
    proofs = msgspec.json.encode(f"/v1/claims/{claim_id}/proofs")
    body = b'{"claim":' + claim + b',"proofs":' + proofs + b',"timeline":' + timeline + b',"items":[' + items + b"]}"
    return Response(body, media_type="application/json")


@api.get("/claims/{claim_id}/comparison", summary="事件所述与补贴服务所示是否一致")
@allow("auditor", "city", "ops")
@gives(Comparison)
async def comparison(request: Request, claim_id: str) -> Response:
    found = await history_of(request, claim_id, None)
    try:
        shown = await request.app.state.peers.get("subsidy", f"/v1/claims/{claim_id}")
    except PeerUnavailable:
        raise Problem(503, "subsidy_unavailable", "补贴服务暂时不可用，请稍后重试") from None
    findings = ["补贴服务没有这个申请"] if shown is None else differences(found.claim, shown)
    return Response(
        msgspec.json.encode(Comparison(claim_id, not findings, tuple(findings))),
        media_type="application/json",
    )


ACCESSES = """
    select a.seq, a.record from archive a
    where a.type in ('registry.PersonalDataDisclosed.v1', 'subsidy.PersonalDataDisclosed.v1') and a.seq < $1
      and ($2::text is null or exists (
          select from mention m where m.stream = $2 and m.log_id = a.log_id and m.position = a.position))
      and ($3::text is null or convert_from(a.record, 'utf8')::jsonb #>> '{payload,requester}' = $3)
      and ($4::text is null or convert_from(a.record, 'utf8')::jsonb #>> '{payload,purpose}' = $4)
    order by a.seq desc limit $5
"""


@api.get("/access-log", summary="查阅个人信息的记录，从新到旧")
@allow("auditor")
@gives(Page[Access], headers=("Link",))
async def access_log(
    request: Request,
    person_id: PersonRef | None = None,
    requester: Name | None = None,
    purpose: Name | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[int | None, Query(ge=1, le=2**53 - 1)] = None,
) -> Response:
    """Who looked at whose data, which fields, when and what for.   (个人信息保护法 art. 54, 55)"""
    rows = await store_of(request).pool.fetch(
        ACCESSES, 2**62 if cursor is None else cursor, person_id, requester, purpose, limit
    )
    following = str(rows[-1]["seq"]) if len(rows) == limit else None
    return paged(request, [_access(parse(row["record"])) for row in rows], following)


def _access(record: Record) -> bytes:
    told = msgspec.json.decode(record.payload)
    told.pop("type")
    access = Access(record.occurred_at, record.recorded_at, record.actor.client, record.actor.user, **told)
    return msgspec.json.encode(access)
