"""A TCP proxy that stands between two parts and lets through what it is told to, as it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal

CHUNK = 64 * 1024
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Trouble:
    """What is done to connections, those that are open and those that are made.

    `delay`: every chunk comes `amount` seconds later. `slow`: `amount` bytes a second and direction pass. `cut`:
    connections are reset, and new ones at once again. `half-open`: they are taken and stay open, and nothing passes;
    what was sent meanwhile arrives when the trouble is over, as after a partition that nobody noticed.
    """

    kind: Literal["none", "delay", "slow", "cut", "half-open"]
    amount: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind} {self.amount:g}" if self.amount else self.kind


NONE = Trouble("none")


class FaultProxy:
    """Passes on to `port` what comes to `self.port`."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._trouble = NONE
        self._changed = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.passed = 0
        """Bytes that have passed, in both directions."""

    def make(self, trouble: Trouble) -> None:
        """Make this trouble from now on, in place of any other."""
        self._trouble = trouble
        self._changed.set()
        self._changed = asyncio.Event()
        if trouble.kind == "cut":
            for writer in self._writers:
                writer.transport.abort()

    async def open(self, port: int = 0, host: str = HOST) -> None:
        self._server = await asyncio.start_server(self._take, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection and the one behind it, until either ends."""
        if self._trouble.kind == "cut":
            writer.transport.abort()
            return
        self._writers.add(writer)
        try:
            with suppress(OSError):
                theirs, on = await asyncio.open_connection(HOST, self._to)
                self._writers.add(on)
                pumps = {asyncio.create_task(self._pump(reader, on)), asyncio.create_task(self._pump(theirs, writer))}
                try:
                    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for pump in pumps:
                        pump.cancel()
                    await asyncio.gather(*pumps, return_exceptions=True)
                    self._writers.discard(on)
                    on.transport.abort()
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._hold(len(data))
                writer.write(data)
                await writer.drain()
                self.passed += len(data)

    async def _hold(self, size: int) -> None:
        """Return when so many bytes may pass."""
        while self._trouble.kind == "half-open":
            await self._changed.wait()
        if self._trouble.kind == "delay":
            await asyncio.sleep(self._trouble.amount)
        elif self._trouble.kind == "slow":
            changed = self._changed
            with suppress(TimeoutError):
                async with asyncio.timeout(size / self._trouble.amount):
                    await changed.wait()


@asynccontextmanager
async def proxied(port: int, listen: int = 0, host: str = HOST) -> AsyncIterator[FaultProxy]:
    """A proxy before `port`, on a port of its own choice unless told, at an address of this machine."""
    proxy = FaultProxy(port)
    await proxy.open(listen, host)
    try:
        yield proxy
    finally:
        await proxy.close()
