"""Followers of our own log: what a projection, a process and the relay have in common."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
import structlog

from shared.eventstore.interruptions import DATABASE, INTERRUPTIONS
from shared.eventstore.lease import Lease
from shared.eventstore.reader import LogReader, Sequenced
from shared.telemetry.errors import describe
from shared.testing.fault_points import FaultPoint, reached

STANDBY_SECONDS = 0.5

log = structlog.get_logger(__name__)

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
        try:
            while True:
                try:
                    moved = await self.step()
                except INTERRUPTIONS as error:
                    log.warning("follower_interrupted", follower=self.name, error=describe(error))
                    self._lease.lost()
                    await asyncio.sleep(0.2)
                    continue
                if self._lease.epoch is None:
                    await asyncio.sleep(STANDBY_SECONDS)
                elif not moved:
                    await self._reader.wait_beyond(self.position, 0.5)
        finally:
            await asyncio.shield(self._retire())

    async def _retire(self) -> None:
        try:
            await self._lease.give_up()
        except DATABASE as error:
            log.info("lease_not_given_up", follower=self.name, error=describe(error))

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
