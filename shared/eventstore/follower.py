"""Followers of our own log: what a projection, a process and the relay have in common."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import asyncpg

from shared.eventstore.interruptions import INTERRUPTIONS
from shared.eventstore.lease import STANDBY_SECONDS, Lease
from shared.eventstore.reader import LogReader, Sequenced
from shared.testing.fault_points import FaultPoint, reached

Apply = Callable[[asyncpg.Connection, Sequence[Sequenced]], Awaitable[None]]


class Follower:
    """Applies the log in order, a batch at a time, each batch and its checkpoint in one transaction.

    `apply` writes through the connection that it is given, or does something idempotent elsewhere.
    """

    def __init__(self, pool: asyncpg.Pool, reader: LogReader, name: str, apply: Apply, *, batch: int = 500) -> None:
        self._pool = pool
        self._reader = reader
        self._lease = Lease(pool, f"follower:{name}")
        self._apply = apply
        self._batch = batch
        self.name = name
        self.position = 0

    async def run(self) -> None:
        """Follow until cancelled."""
        async with self._lease:
            await self._lease.repeat(self._turn, INTERRUPTIONS)

    async def _turn(self) -> None:
        if await self.step():
            return
        if self._lease.epoch is None:
            await asyncio.sleep(STANDBY_SECONDS)
        else:
            await self._reader.wait_beyond(self.position, 0.5)

    async def step(self) -> bool:
        """Apply one batch; False when there was nothing to do or another process follows."""
        if await self._lease.held() is None:
            self.position = await read_checkpoint(self._pool, self.name)
            return False
        async with self._pool.acquire() as connection, connection.transaction():
            # The row lock serialises us against a former holder that has not noticed yet.
            self.position = await lock_checkpoint(connection, self.name)
            if self._reader.head <= self.position:
                return False
            batch = await self._reader.read(self.position, self._batch)
            if not batch:
                return False
            await self._apply(connection, batch)
            await connection.execute(
                "update checkpoint set position = $2 where reader = $1", self.name, batch[-1].position
            )
            reached(FaultPoint.FOLLOW_APPLIED)
        reached(FaultPoint.FOLLOW_COMMITTED)
        self.position = batch[-1].position
        return True


async def lock_checkpoint(connection: asyncpg.Connection, name: str) -> int:
    """The checkpoint of a reader, locked for this transaction; made at 0 when there is none."""
    await connection.execute("insert into checkpoint (reader) values ($1) on conflict do nothing", name)
    position: int = await connection.fetchval("select position from checkpoint where reader = $1 for update", name)
    return position


async def read_checkpoint(pool: asyncpg.Pool, name: str) -> int:
    position: int | None = await pool.fetchval("select position from checkpoint where reader = $1", name)
    return position or 0
