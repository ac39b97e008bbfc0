"""Projections: which builds there are, having one built anew, and where live tables and events differ."""

from datetime import datetime

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response

from shared.eventstore.projections import INLINE, builds, request_build
from shared.runtime.parts import Parts
from shared.web.answers import Page, gives
from shared.web.caller import allow
from shared.web.problem import Problem
from shared.web.routes import GuardedRoute


class ShownBuild(msgspec.Struct, frozen=True):
    """`position` is how far the build has come, `head` how far the log has, `mended` how many rows were not right."""

    name: str
    build: int
    version: int
    state: str
    requested_at: datetime
    switched_at: datetime | None
    mended: int | None
    position: int
    head: int


class ShownDifference(msgspec.Struct, frozen=True):
    """`live` is what stands in the table, `expected` what the events say; null: there is none."""

    table: str
    scope: str
    key: str
    live: str | None
    expected: str | None


class BuildRequested(msgspec.Struct, frozen=True):
    name: str
    build: int


WATCHERS = ("ops", "auditor", "city")


def projections(parts: Parts) -> APIRouter:
    router = APIRouter(prefix="/v1/projections", tags=["运行"], route_class=GuardedRoute)

    @router.get("", summary="投影及其构建进度")
    @allow(*WATCHERS)
    @gives(Page[ShownBuild])
    async def projection_list() -> Response:
        found = tuple(ShownBuild(**build._asdict(), head=parts.reader.head) for build in await builds(parts.pool))
        return Response(msgspec.json.encode(Page(found, None)), media_type="application/json")

    @router.get("/differences", summary="限额、内联行与事件之间的差异")
    @allow("ops")
    @gives(Page[ShownDifference])
    async def differences() -> Response:
        """Folds every stream: minutes for millions of events. Commands wait for the comparison at its end."""
        found = tuple(ShownDifference(*difference) for difference in await parts.derived.differences())
        return Response(msgspec.json.encode(Page(found, None)), media_type="application/json")

    @router.post("/{projection}:rebuild", summary="在现行投影旁重建，完成后切换", status_code=202)
    @allow("ops")
    @gives(BuildRequested, headers=("Location",))
    async def rebuild(projection: str) -> Response:
        """A build that is already on its way is answered again."""
        versions = {item.name: item.version for item in parts.projections} | dict.fromkeys(INLINE, 1)
        if projection not in versions:
            raise Problem(404, "not_found", f"本服务没有这个投影，可重建的有：{'、'.join(versions)}")
        build = await request_build(parts.pool, projection, versions[projection])
        body = msgspec.json.encode(BuildRequested(projection, build))
        return Response(body, 202, media_type="application/json", headers={"Location": "/v1/projections"})

    return router
