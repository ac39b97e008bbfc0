"""`/v1/log`: a service's log and everything that proves it (RFC 9162), the same for every service."""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from shared.eventstore.decider import FieldError
from shared.eventstore.reader import Sequenced
from shared.eventstore.record import Record, canonical
from shared.eventstore.sequencer import record_from_row
from shared.proof.attestations import SignedAttestation
from shared.proof.evidence import Evidence, Prover
from shared.proof.heads import Heads, KeptHead, SignedHead
from shared.proof.merkle import extend, root, root_from_inclusion
from shared.proof.tree import LogTree
from shared.runtime.parts import Parts
from shared.web.answers import Page, gives
from shared.web.caller import PUBLIC, allow
from shared.web.lists import paged
from shared.web.problem import Problem, invalid_field
from shared.web.routes import GuardedRoute

INSIDE = ("ops", "auditor", "city", "service:*")
LAST = 2**53 - 1
"""The largest integer that every reader of JSON keeps exact."""
PAGE = 10_000
STREAMS = 20
"""For how many streams one answer gives evidence."""

Position = Annotated[int, Path(ge=1, le=LAST)]
Size = Annotated[int | None, Query(ge=1, le=LAST)]
Streams = Annotated[list[str], Query(alias="stream", min_length=1, max_length=STREAMS)]


class LogKey(msgspec.Struct, frozen=True):
    key_id: str
    ed25519: str


class LogRecord(msgspec.Struct, frozen=True):
    """Hand-written in `_records`, so that the record stays byte for byte what the leaf was taken over."""

    position: int
    leaf: str
    record: Record


class InclusionProof(msgspec.Struct, frozen=True):
    position: int
    tree_size: int
    leaf: str
    proof: tuple[str, ...]
    root: str | None


class ConsistencyProof(msgspec.Struct, frozen=True):
    first: int
    second: int
    proof: tuple[str, ...]


class Roots(msgspec.Struct, frozen=True):
    """`recomputed` is taken over every leaf; it must be `root`."""

    tree_size: int
    root: str
    recomputed: str


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _records(items: Iterable[Sequenced], more: int | None = None) -> Response:
    body = b",".join(
        b'{"position":%d,"leaf":"%s","record":%s}' % (i.position, i.leaf.hex().encode(), canonical(i.record))
        for i in items
    )
    following = b"null" if more is None else b'"%d"' % more
    return Response(b'{"items":[' + body + b'],"next":' + following + b"}", media_type="application/json")


def _unknown(parameter: str, detail: str) -> Problem:
    return Problem(404, "not_found", detail, fields=[FieldError(f"path:/{parameter}", "unknown", detail)])


def log_routes(parts: Parts) -> APIRouter:
    """The routes of one service's log. Where the service itself answers an address, its own answer stands."""
    router = APIRouter(prefix="/v1/log", tags=["日志与证明"], route_class=GuardedRoute)
    for add in (_add_heads, _add_records, _add_evidence, _add_proofs):
        add(router, parts)
    own = {
        route.path for theirs in parts.definition.routers for route in theirs.routes if isinstance(route, GuardedRoute)
    }
    router.routes[:] = [
        route for route in router.routes if not isinstance(route, GuardedRoute) or route.path not in own
    ]
    return router


async def _signed(parts: Parts, tree_size: int | None) -> KeptHead:
    """The signed head of a size, by default the newest."""
    heads = Heads(parts.pool)
    kept = await (heads.newest() if tree_size is None else heads.of_size(tree_size))
    if kept is None and tree_size is None:
        raise Problem(404, "not_found", "日志还没有签名")
    if kept is None:
        raise invalid_field("query:/tree_size", "not_signed", f"没有大小为 {tree_size} 的已签名日志头")
    return kept


async def _size_or_newest(parts: Parts, name: str, tree_size: int | None) -> int:
    """A size of the log, by default that of the newest signed head. Refuses one which the log does not have yet."""
    if tree_size is None:
        return (await _signed(parts, None)).tree_size
    present = await LogTree(parts.pool).size()
    if tree_size > present:
        raise invalid_field(f"query:/{name}", "beyond_log", f"日志现有 {present} 个事件")
    return tree_size


def _add_heads(router: APIRouter, parts: Parts) -> None:

    @router.get("/key", summary="日志签名公钥")
    @allow(PUBLIC)
    @gives(LogKey)
    async def log_key() -> Response:
        return _json(LogKey(parts.signer.key_id, parts.signer.public_bytes.hex()))

    @router.get("/head", summary="最新的已签名日志头", operation_id="getNewestLogHead")
    @allow(PUBLIC)
    @gives(SignedHead, refuses=(404,))
    async def log_head() -> Response:
        return Response((await _signed(parts, None)).json, media_type="application/json")

    @router.get("/heads", summary="已签名的日志头，从新到旧")
    @allow(PUBLIC)
    @gives(Page[SignedHead], headers=("Link",))
    async def log_heads(
        request: Request, limit: Annotated[int, Query(ge=1, le=200)] = 50, cursor: Size = None
    ) -> Response:
        found = await Heads(parts.pool).before(cursor, limit)
        following = str(found[-1].tree_size) if len(found) == limit else None
        return paged(request, [kept.json for kept in found], following)

    @router.get("/heads/{tree_size}", summary="某一大小的已签名日志头")
    @allow(PUBLIC)
    @gives(SignedHead)
    async def log_head_of_size(tree_size: Position) -> Response:
        kept = await Heads(parts.pool).of_size(tree_size)
        if kept is None:
            raise _unknown("tree_size", f"没有大小为 {tree_size} 的已签名日志头")
        return Response(kept.json, media_type="application/json")


def _add_records(router: APIRouter, parts: Parts) -> None:
    @router.get("/records", summary="按位置读取日志")
    @allow(*INSIDE)
    @gives(Page[LogRecord])
    async def log_records(
        after: Annotated[int, Query(ge=0, le=LAST)] = 0, limit: Annotated[int, Query(ge=1, le=1000)] = 200
    ) -> Response:
        items = await parts.reader.read(after, limit)
        return _records(items, items[-1].position if len(items) == limit else None)

    @router.get("/streams/{stream}", summary="一个事件流的全部记录，连同位置和叶散列")
    @allow(*INSIDE)
    @gives(Page[LogRecord])
    async def log_stream(stream: str) -> Response:
        rows = await parts.pool.fetch("select * from read_sequenced_stream($1)", stream)
        if not rows:
            raise _unknown("stream", "日志没有这个事件流")
        log_id = parts.reader.log_id
        return _records(Sequenced(row["position"], record_from_row(row, log_id), row["leaf_hash"]) for row in rows)


def _add_evidence(router: APIRouter, parts: Parts) -> None:
    @router.get("/streams/{stream}/attestation", summary="事件流完整性的签名声明")
    @allow(*INSIDE)
    @gives(SignedAttestation)
    async def log_attestation(stream: str, tree_size: Size = None) -> Response:
        kept = await _signed(parts, tree_size)
        found = await Prover(parts.pool, parts.signer).attestation(stream, kept)
        if found is None:
            raise _unknown("stream", f"大小为 {kept.tree_size} 的日志没有这个事件流")
        return _json(found)

    @router.get("/proofs", summary="若干事件流在同一已签名日志头下的证明：每个事件的包含性证明和完整性声明")
    @allow(*INSIDE)
    @gives(Evidence, refuses=(404,))
    async def log_proofs(stream: Streams, tree_size: Size = None) -> Response:
        return _json(await Prover(parts.pool, parts.signer).evidence(stream, await _signed(parts, tree_size)))


def _add_proofs(router: APIRouter, parts: Parts) -> None:
    @router.get("/proofs/{position}", summary="包含性证明（RFC 9162），默认针对最新的已签名日志头")
    @allow(*INSIDE)
    @gives(InclusionProof)
    async def log_proof(position: Position, tree_size: Size = None) -> Response:
        size = await _size_or_newest(parts, "tree_size", tree_size)
        if position > size:
            raise _unknown("position", f"大小为 {size} 的日志没有这个位置")
        [found] = await LogTree(parts.pool).inclusions([position], size)
        reached = root_from_inclusion(position - 1, size, found.leaf, found.proof)
        return _json(
            InclusionProof(
                position,
                size,
                found.leaf.hex(),
                tuple(step.hex() for step in found.proof),
                None if reached is None else reached.hex(),
            )
        )

    @router.get("/consistency", summary="一致性证明（RFC 9162）：较小的日志是较大日志的前缀")
    @allow(PUBLIC)
    @gives(ConsistencyProof, refuses=(404,))
    async def log_consistency(first: Annotated[int, Query(ge=1, le=LAST)], second: Size = None) -> Response:
        size = await _size_or_newest(parts, "second", second)
        if first > size:
            raise invalid_field("query:/first", "beyond_second", f"不能大于 {size}")
        proof = await LogTree(parts.pool).consistency(first, size)
        return _json(ConsistencyProof(first, size, tuple(step.hex() for step in proof)))

    @router.get("/root", summary="按叶散列重算的根与日志头的比较")
    @allow(*INSIDE)
    @gives(Roots)
    async def log_root() -> Response:
        """Reads every leaf, page after page: minutes for tens of millions of events."""
        head = await parts.pool.fetchrow("select position, peaks from log_head")
        size, peaks = 0, list[bytes]()
        while size < head["position"]:
            until = min(size + PAGE, head["position"])
            rows = await parts.pool.fetch(
                "select leaf_hash from log where position > $1 and position <= $2 order by position", size, until
            )
            peaks = extend(size, peaks, [row["leaf_hash"] for row in rows]).peaks
            size = until
        return _json(Roots(head["position"], root(head["peaks"]).hex(), root(peaks).hex()))
