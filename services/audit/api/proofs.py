"""`/v1/claims/{id}/proofs`, `/v1/log/heads`, `/v1/log/proofs` and `/v1/log/leaves`: proof across all services."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response

from services.audit.api.histories import history_of
from services.audit.archive.heads import seen
from services.audit.archive.proofs import AT_ONCE, LogProof, prove
from shared.proof.evidence import Evidence
from shared.proof.heads import SignedHead
from shared.proof.merkle import leaf_hash
from shared.web.answers import Page, gives
from shared.web.caller import allow
from shared.web.command import store_of
from shared.web.lists import paged
from shared.web.peers import PeerRefused, PeerUnavailable
from shared.web.problem import Problem, invalid_field
from shared.web.routes import router

api = router("审计")

READERS = ("auditor", "city", "ops")
LAST = 2**53 - 1
"""The largest integer that every reader of JSON keeps exact."""

Size = Annotated[int | None, Query(ge=1, le=LAST)]


class ClaimProofs(msgspec.Struct, frozen=True):
    claim_id: str
    logs: tuple[LogProof, ...]


class Heads(msgspec.Struct, frozen=True):
    """`unavailable` names the services that did not answer; only where no service is asked for."""

    items: tuple[SignedHead, ...]
    next: str | None
    unavailable: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


class Leaf(msgspec.Struct, frozen=True):
    position: int
    leaf: str


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _others(request: Request) -> list[str]:
    """The services whose logs there are; audit itself records nothing."""
    return [name for name in request.app.state.settings.services if name != request.app.state.service]


def _one_of(services: Sequence[str], service: str) -> None:
    if service not in services:
        raise invalid_field("query:/service", "unknown", f"只能是 {'、'.join(services)}")


async def _ask(request: Request, service: str, path: str) -> Any | None:
    """What a service answers at a path, or None for its 404."""
    _one_of(_others(request), service)
    try:
        return await request.app.state.peers.get(service, path)
    except PeerRefused as refused:
        raise refused.problem from None
    except PeerUnavailable:
        raise _unavailable(f"{service} 服务") from None


def _unavailable(who: str) -> Problem:
    return Problem(503, "service_unavailable", f"{who}暂时不可用，请稍后重试", headers={"Retry-After": "1"})


@api.get("/claims/{claim_id}/proofs", summary="申请历史的证明：各服务的日志头、包含性证明和完整性声明，可离线验证")
@allow(*READERS)
@gives(ClaimProofs)
async def claim_proofs(request: Request, claim_id: str) -> Response:
    """With the records of `/v1/claims/{id}/history` this is all that a verification needs."""
    found = await history_of(request, claim_id, None)
    try:
        logs = await prove(request.app.state.peers, found)
    except PeerUnavailable:
        raise _unavailable("有服务") from None
    return _json(ClaimProofs(claim_id, tuple(logs)))


@api.get(
    "/log/heads",
    summary="各服务最新的已签名日志头；指定 service 时为该服务的日志头，从新到旧；source=seen 为审计所收存的",
)
@allow(*READERS)
@gives(Heads, headers=("Link",), refuses=(404,))
async def heads(
    request: Request,
    service: str | None = None,
    source: Literal["service", "seen"] = "service",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Size = None,
) -> Response:
    """Without a service, `unavailable` names those that did not answer. `source=seen` asks no service: its heads are
    those that audit holds since they were published, the newest first."""
    if source == "seen":
        if service is None:
            raise invalid_field("query:/service", "missing", "source=seen 时须指定 service")
        _one_of(list(request.app.state.settings.services), service)
        found = await seen(store_of(request).pool, service, cursor, limit)
        following = str(found[-1].seq) if len(found) == limit else None
        return paged(request, [held.json for held in found], following)
    if service is not None:
        page = {"limit": limit} | ({} if cursor is None else {"cursor": cursor})
        return _json(await _ask(request, service, f"/v1/log/heads?{urlencode(page)}"))
    items, unavailable = [], []
    for name in _others(request):
        try:
            head = await request.app.state.peers.get(name, "/v1/log/head")
        except PeerUnavailable:
            unavailable.append(name)
            continue
        items += [head] if head is not None else []
    return _json({"items": items, "next": None, "unavailable": unavailable})


@api.get("/log/proofs", summary="某一服务若干事件流在同一已签名日志头下的证明")
@allow(*READERS)
@gives(Evidence, refuses=(404,))
async def proofs(
    request: Request,
    service: str,
    stream: Annotated[list[str], Query(min_length=1, max_length=AT_ONCE)],
    tree_size: Size = None,
) -> Response:
    query = [("stream", name) for name in stream] + ([] if tree_size is None else [("tree_size", str(tree_size))])
    found = await _ask(request, service, f"/v1/log/proofs?{urlencode(query)}")
    if found is None:
        raise Problem(404, "not_found", "日志还没有签名")
    return _json(found)


@api.get("/log/leaves", summary="档案所收到的叶散列：某一日志的独立见证")
@allow(*READERS)
@gives(Page[Leaf])
async def leaves(
    request: Request,
    log_id: UUID,
    after: Annotated[int, Query(ge=0, le=LAST)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Response:
    """Taken over the records as Kafka delivered them, whatever the service's own database says now."""
    rows = await store_of(request).pool.fetch(
        "select position, record from archive where log_id = $1 and position > $2 order by position limit $3",
        log_id,
        after,
        limit,
    )
    items = tuple(Leaf(row["position"], leaf_hash(row["record"]).hex()) for row in rows)
    following = str(rows[-1]["position"]) if len(rows) == limit else None
    return _json(Page(items, following))
