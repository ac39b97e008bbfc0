"""Operations every service offers: its log's proof, its progress, and in the sandbox its clock."""

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from shared.eventstore.record import canonical
from shared.proof.merkle import inclusion_proof, root, tree_root
from shared.runtime.parts import Parts
from shared.web.caller import PUBLIC, allow
from shared.web.fields import Moment
from shared.web.problem import Problem
from shared.web.routes import Body, GuardedRoute

INSIDE = ("ops", "auditor", "city", "service:*")


class SetClock(Body):
    """Move the sandbox's business clock; it never goes backwards."""

    to: Moment


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def operations(parts: Parts) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["运行"], route_class=GuardedRoute)

    @router.get("/progress", summary="处理进度")
    @allow(*INSIDE)
    async def progress() -> Response:
        return _json(await parts.progress())

    @router.get("/log/key", summary="日志签名公钥")
    @allow(PUBLIC)
    async def log_key() -> Response:
        return _json({"key_id": f"{parts.definition.name}-log", "ed25519": parts.signer.public_bytes.hex()})

    @router.get("/log/head", summary="最新的已签名日志头")
    @allow(PUBLIC)
    async def log_head() -> Response:
        row = await parts.pool.fetchrow("select head from signed_head order by tree_size desc limit 1")
        if row is None:
            raise Problem(404, "not_found", "日志还没有签名")
        return Response(row["head"], media_type="application/json")

    @router.get("/log/records", summary="按位置读取日志")
    @allow(*INSIDE)
    async def log_records(after: int = 0, limit: int = 200) -> Response:
        items = await parts.reader.read(after, min(max(limit, 1), 1000))
        body = b",".join(
            b'{"position":%d,"leaf":"%s","record":%s}' % (i.position, i.leaf.hex().encode(), canonical(i.record))
            for i in items
        )
        return Response(b'{"items":[' + body + b"]}", media_type="application/json")

    @router.get("/log/streams/{stream}", summary="一个事件流的全部记录，连同位置和叶散列")
    @allow(*INSIDE)
    async def log_stream(stream: str) -> Response:
        rows = await parts.pool.fetch("select position from log where stream = $1 order by version", stream)
        found = []
        for row in rows:
            item = (await parts.reader.read(row["position"] - 1, 1))[0]
            found.append(
                b'{"position":%d,"leaf":"%s","record":%s}'
                % (item.position, item.leaf.hex().encode(), canonical(item.record))
            )
        return Response(b'{"items":[' + b",".join(found) + b"]}", media_type="application/json")

    @router.get("/log/proofs/{position}", summary="包含性证明（RFC 9162）")
    @allow(*INSIDE)
    async def log_proof(position: int) -> Response:
        rows = await parts.pool.fetch("select leaf_hash from log order by position")
        leaves = [row["leaf_hash"] for row in rows]
        if not 1 <= position <= len(leaves):
            raise Problem(404, "not_found", "日志没有这个位置")
        return _json(
            {
                "position": position,
                "tree_size": len(leaves),
                "leaf": leaves[position - 1].hex(),
                "proof": [step.hex() for step in inclusion_proof(position - 1, leaves)],
                "root": tree_root(leaves).hex(),
            }
        )

    @router.get("/log/root", summary="按叶散列重算的根与日志头的比较")
    @allow(*INSIDE)
    async def log_root() -> Response:
        rows = await parts.pool.fetch("select leaf_hash from log order by position")
        head = await parts.pool.fetchrow("select position, peaks from log_head")
        computed = tree_root([row["leaf_hash"] for row in rows][: head["position"]])
        return _json({"tree_size": head["position"], "root": root(head["peaks"]).hex(), "recomputed": computed.hex()})

    return router


def sandbox(parts: Parts) -> APIRouter:
    """The movable clock: local profile only."""
    router = APIRouter(prefix="/v1/sandbox", tags=["沙箱"], route_class=GuardedRoute)

    @router.post("/clock", summary="拨动业务时钟")
    @allow("ops")
    async def set_clock(body: SetClock) -> Response:
        moved = await parts.pool.fetchval(
            "update business_clock set stands_at = $1 where stands_at <= $1 returning stands_at", body.to
        )
        if moved is None:
            raise Problem(409, "clock_backwards", "业务时钟不能倒退")
        return _json({"clock": moved})

    @router.get("/clock", summary="业务时钟")
    @allow(PUBLIC)
    async def get_clock(request: Request) -> Response:
        return _json({"clock": await parts.store.now()})

    return router
