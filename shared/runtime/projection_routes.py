"""Projections: which builds there are, having one built anew, and where live tables and events differ."""

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response

from shared.eventstore.projections import LISTING, NAMES, builds, request_build
from shared.runtime.parts import Parts
from shared.web.caller import allow
from shared.web.problem import Problem
from shared.web.routes import GuardedRoute

WATCHERS = ("ops", "auditor", "city")


def projections(parts: Parts) -> APIRouter:
    router = APIRouter(prefix="/v1/projections", tags=["运行"], route_class=GuardedRoute)

    @router.get("", summary="投影及其构建进度")
    @allow(*WATCHERS)
    async def projection_list() -> Response:
        found = [{**build._asdict(), "head": parts.reader.head} for build in await builds(parts.pool)]
        return Response(msgspec.json.encode({"items": found, "next": None}), media_type="application/json")

    @router.get("/differences", summary="限额、内联行与事件之间的差异")
    @allow("ops")
    async def differences() -> Response:
        """Folds every stream: minutes for millions of events. Commands wait for the comparison at its end."""
        found = [difference._asdict() for difference in await parts.derived.differences()]
        return Response(msgspec.json.encode({"items": found, "next": None}), media_type="application/json")

    @router.post("/{projection}:rebuild", summary="在现行投影旁重建，完成后切换", status_code=202)
    @allow("ops")
    async def rebuild(projection: str) -> Response:
        """A build that is already on its way is answered again."""
        if projection not in NAMES or (projection == LISTING and not parts.definition.listers):
            raise Problem(404, "not_found", f"本服务没有这个投影，可重建的有：{'、'.join(NAMES)}")
        version = parts.definition.listing_version if projection == LISTING else 1
        build = await request_build(parts.pool, projection, version)
        body = msgspec.json.encode({"name": projection, "build": build})
        return Response(body, 202, media_type="application/json", headers={"Location": "/v1/projections"})

    return router
