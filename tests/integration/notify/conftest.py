"""Notify's own database for each test, and somebody who receives webhooks on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from deploy.local.postgres import PostgresServer
from services.notify.wiring import DEFINITION
from tests.integration.places import Place, place_of

Answer = Callable[[str, int], tuple[int, dict[str, str]]]
"""What to answer (status, headers) to a webhook-id that comes for the n-th time."""


class Received:
    def __init__(self, headers: dict[str, str], body: bytes) -> None:
        self.headers = headers
        self.body = body
        self.id = headers["webhook-id"]


class Receiver:
    """Keeps what comes in `received`, and answers 204 unless told otherwise; `hold` keeps answers back."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: Answer = lambda id, time: (204, {})
        self.hold = asyncio.Event()
        self.hold.set()
        self.url = ""

    @property
    def ids(self) -> list[str]:
        return [item.id for item in self.received]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                pairs = (line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers["content-length"]))
                self.received.append(Received(headers, body))
                await self.hold.wait()
                status, more = self.answer(headers["webhook-id"], self.ids.count(headers["webhook-id"]))
                lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in more.items())]
                lines += [] if status == 204 else ["content-length: 0"]
                writer.write("\r\n".join([*lines, "", ""]).encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other end has gone
        finally:
            writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/webhooks"
    yield made
    made.hold.set()
    server.close()


@pytest.fixture
async def place(postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Place]:
    async with place_of(DEFINITION, postgres, tmp_path) as made:
        yield made
