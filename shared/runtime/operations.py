"""Operations every service offers: its progress, and in the sandbox its clock."""

from datetime import datetime

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from shared.runtime.parts import Parts
from shared.web.answers import gives
from shared.web.caller import PUBLIC, allow
from shared.web.fields import Moment
from shared.web.problem import Problem
from shared.web.routes import Body, GuardedRoute

INSIDE = ("ops", "auditor", "city", "service:*")


class Progress(msgspec.Struct, frozen=True):
    """How far everything is: positions of the log, and what is still to be done."""

    service: str
    log_id: str
    head: int
    unsequenced: int
    reactions: int
    operations: int
    parked: int
    clock: str | None
    next_due: str | None
    followers: dict[str, int]
    sources: tuple[str, ...]
    applied: dict[str, int]


class Clock(msgspec.Struct, frozen=True):
    clock: datetime


class SetClock(Body):
    """Move the sandbox's business clock; it never goes backwards."""

    to: Moment


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def operations(parts: Parts) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["运行"], route_class=GuardedRoute)

    @router.get("/progress", summary="处理进度")
    @allow(*INSIDE)
    @gives(Progress)
    async def progress() -> Response:
        return _json(Progress(**await parts.progress()))

    return router


def sandbox(parts: Parts) -> APIRouter:
    """The movable clock: local profile only."""
    router = APIRouter(prefix="/v1/sandbox", tags=["沙箱"], route_class=GuardedRoute)

    @router.post("/clock", summary="拨动业务时钟")
    @allow("ops")
    @gives(Clock, refuses=(409,))
    async def set_clock(body: SetClock) -> Response:
        moved = await parts.pool.fetchval(
            "update business_clock set stands_at = $1 where stands_at <= $1 returning stands_at", body.to
        )
        if moved is None:
            raise Problem(409, "clock_backwards", "业务时钟不能倒退")
        return _json(Clock(moved))

    @router.get("/clock", summary="业务时钟")
    @allow(PUBLIC)
    @gives(Clock)
    async def get_clock(request: Request) -> Response:
        return _json(Clock(await parts.store.now()))

    return router
