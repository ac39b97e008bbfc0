"""Loans as it is, but for the signatures of banks: what the check itself costs. `signatures` measures those."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import Response

from deploy.local import settings
from services.loans.wiring import DEFINITION
from shared.runtime.serve import build
from shared.telemetry.logs import configure_logs


class Unsigned:
    """Stands where the guard of signed exchange stands."""

    async def exchange(self, request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
        return await handle(request)


configure_logs(DEFINITION.name)
app = build(DEFINITION, settings.read(), "api")
_signed = app.router.lifespan_context


@asynccontextmanager
async def _unsigned(app: FastAPI) -> AsyncIterator[None]:
    async with _signed(app):
        app.state.signing = Unsigned()
        yield


app.router.lifespan_context = _unsigned
