"""Reading the sequenced log, and waiting for more of it."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg

from shared.eventstore.interruptions import DATABASE
from shared.eventstore.record import Record
from shared.eventstore.sequencer import record_from_row


class Sequenced(NamedTuple):
    """A record with its position in the log of its service."""

    position: int
    record: Record
    leaf: bytes


class LogReader:
    """Reads by position. `advance(position)` is called by the sequencer, or by a listener where it runs elsewhere."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._log_id: UUID | None = None
        self._moved = asyncio.Condition()
        self._wakers: set[asyncio.Task[None]] = set()
        self.head = 0

    async def start(self) -> None:
        self.head = await self._pool.fetchval("select position from log_head")
        self._log_id = await self._pool.fetchval("select log_id from log_identity")

    @property
    def log_id(self) -> UUID:
        if self._log_id is None:
            raise RuntimeError("the reader has not been started")
        return self._log_id

    def advance(self, position: int) -> None:
        if position > self.head:
            self.head = position
            task = asyncio.ensure_future(self._wake())
            self._wakers.add(task)
            task.add_done_callback(self._wakers.discard)

    async def _wake(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def wait_beyond(self, position: int, seconds: float) -> bool:
        """Wait until the log is longer than `position`, at most `seconds`."""
        if self.head > position:
            return True
        try:
            async with asyncio.timeout(seconds), self._moved:
                await self._moved.wait_for(lambda: self.head > position)
        except TimeoutError:
            return False
        return True

    async def read(self, after: int, limit: int = 500) -> Sequence[Sequenced]:
        """Records after a position, in order."""
        rows = await self._pool.fetch("select * from read_log($1, $2)", after, limit)
        return [Sequenced(row["position"], record_from_row(row, self.log_id), row["leaf_hash"]) for row in rows]

    async def listen(self) -> None:
        """Follow the head by the sequencer's notifications, with a slow poll behind them, until cancelled."""
        while True:
            try:
                connection = await self._pool.acquire()
                try:
                    await connection.add_listener("sequenced", self._notified)
                    while not connection.is_closed():
                        self.advance(await connection.fetchval("select position from log_head"))
                        await asyncio.sleep(1.0)
                finally:
                    if not connection.is_closed():
                        await connection.remove_listener("sequenced", self._notified)
                    await self._pool.release(connection)
            except DATABASE:
                await asyncio.sleep(0.5)

    def _notified(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self.advance(int(str(payload)))
