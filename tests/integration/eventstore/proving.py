"""A service's log with something in it, its signed heads, and its routes as an auditor calls them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import cast

import asyncpg
import httpx
from fastapi import FastAPI

from shared.eventstore.reader import LogReader
from shared.eventstore.sequencer import Sequencer
from shared.eventstore.store import Store
from shared.proof.heads import HeadSigner, SignedHead, Signer
from shared.runtime.log_routes import log_routes
from shared.runtime.parts import Parts
from shared.telemetry.metrics import Metrics
from shared.web.app import create_app
from shared.web.caller import Caller
from tests.integration.eventstore.commands import move, open_account, stream_of


class Ledger:
    """One service: its store, a sequencer that works when it is told to, and a signer."""

    def __init__(self, store: Store, pool: asyncpg.Pool, reader: LogReader, signer: Signer) -> None:
        self.store, self.pool, self.reader, self.signer = store, pool, reader, signer
        self._sequencer = Sequencer(pool, store.appended, reader.advance)
        self._heads = HeadSigner(pool, reader, signer)

    @classmethod
    async def opened(cls, store: Store, pool: asyncpg.Pool, signer: Signer) -> "Ledger":
        reader = LogReader(pool)
        await reader.start()
        return cls(store, pool, reader, signer)

    async def fill(self, streams: int, moves: int = 0) -> list[str]:
        """Open accounts, move each on some times, give all of it positions."""
        names = [f"{self.reader.head}/{n}" for n in range(streams)]
        made = await asyncio.gather(*(open_account(self.store, name, f"per_{name}") for name in names))
        opened = [stream_of(carried) for carried in made]
        for _ in range(moves):
            await asyncio.gather(*(move(self.store, stream) for stream in opened))
        await self.sequence()
        return opened

    async def sequence(self) -> None:
        while await self._sequencer.step():
            pass

    async def sign(self) -> SignedHead:
        signed = await self._heads.sign()
        assert signed is not None
        return signed


class AnyToken:
    """Takes a token's text for the role of its bearer."""

    def verify(self, token: str) -> Caller:
        return Caller(token, None, (token,), float("inf"))


@asynccontextmanager
async def asking(ledger: Ledger, role: str | None = "auditor") -> AsyncIterator[httpx.AsyncClient]:
    """The service's `/v1/log` over HTTP, as someone of a role."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    parts = SimpleNamespace(
        pool=ledger.pool, reader=ledger.reader, signer=ledger.signer, definition=SimpleNamespace(routers=())
    )
    app = create_app("ledger", "账", [log_routes(cast(Parts, parts))], lifespan, Metrics())
    app.state.verifier = AnyToken()
    headers = {} if role is None else {"authorization": f"Bearer {role}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://ledger", headers=headers
    ) as client:
        yield client
