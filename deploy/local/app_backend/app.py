"""The app backend's one address: webhooks are taken there, and whoever looks is told which have come."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.local.app_backend.place import WEBHOOKS, keys_in
from deploy.local.app_backend.received import Received, ReceivedFile
from shared.web.webhook_signing import NotGenuine, verify

TOLERANCE = timedelta(minutes=5)
LARGEST = 64 * 1024
"""Bytes of a body; a webhook here has a few hundred."""


class Sent(msgspec.Struct, frozen=True):
    """The body of a webhook."""

    type: str
    timestamp: str
    data: dict[str, Any]


class AppBackend:
    """Keeps what is genuine before it answers, drops what it has already, refuses everything else.

    The keys are read anew for each webhook, as they are written only after the endpoint has been registered.
    """

    def __init__(self, keys: Path, file: ReceivedFile) -> None:
        self._keys = keys
        self._received = file
        self._refused = 0

    async def take(self, request: Request) -> Response:
        body = await _body_of(request)
        if body is None:
            return Response(status_code=413)
        now = datetime.now(UTC)
        id = self._id_of(dict(request.headers), body, now)
        if id is None:
            self._refused += 1
            return Response(status_code=401)
        try:
            sent = msgspec.json.decode(body, type=Sent)
        except msgspec.DecodeError:
            return Response(status_code=400)
        try:
            self._received.add(Received(id=id, type=sent.type, timestamp=sent.timestamp, data=sent.data, came_at=now))
        except OSError:
            return Response(status_code=503)
        return Response(status_code=204)

    async def told(self, request: Request) -> Response:
        """How many have come, were repeated, and were refused since the start; the ids behind the first `after`."""
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdigit()):
            return Response(status_code=400)
        ids = self._received.ids
        counts = {"received": len(ids), "repeated": self._received.repeated, "refused": self._refused}
        return JSONResponse({**counts, "ids": ids[int(after) :]})

    def _id_of(self, headers: dict[str, str], body: bytes, now: datetime) -> str | None:
        """The webhook's id, if one of the keys says that it is genuine."""
        for key in keys_in(self._keys):
            try:
                return verify(key, headers, body, now, TOLERANCE)
            except NotGenuine:
                continue
        return None


async def _body_of(request: Request) -> bytes | None:
    """The body, unless it is larger than any webhook."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            return None
    return bytes(body)


def app_backend_of(keys: Path, file: ReceivedFile) -> Starlette:
    """The app backend as an ASGI application, to be mounted under `place.UNDER`."""
    backend = AppBackend(keys, file)
    return Starlette(
        routes=[
            Route(WEBHOOKS, backend.take, methods=["POST"]),
            Route(WEBHOOKS, backend.told, methods=["GET"]),
        ]
    )
