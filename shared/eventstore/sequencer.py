"""The sequencer: committed events get gapless positions and their leaves in the Merkle log.

Sequence numbers are not in commit order, so reading `position > last` from a serial column loses events. Here only
rows that are already visible get a position, from one writer, so nothing can appear behind a reader.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from shared.eventstore.lease import STANDBY_SECONDS, Lease
from shared.eventstore.record import Actor, Record, canonical
from shared.proof.merkle import extend, leaf_hash
from shared.testing.fault_points import FaultPoint, reached

BATCH = 1000
POLL_SECONDS = 0.02


def record_from_row(row: Any, log_id: UUID) -> Record:
    """The record of a row of `take_unsequenced` or `read_log`."""
    return Record(
        id=row["id"],
        stream=row["stream"],
        version=row["version"],
        log_id=log_id,
        type=row["type"],
        recorded_at=row["recorded_at"],
        occurred_at=row["occurred_at"],
        actor=Actor(row["actor_client"], row["actor_user"], row["actor_on_behalf_of"]),
        causation_id=row["causation_id"],
        correlation_id=row["correlation_id"],
        traceparent=row["traceparent"],
        payload=msgspec.Raw(row["payload"]),
    )


class Sequencer:
    """Runs in every worker; the one that holds the lease works."""

    def __init__(self, pool: asyncpg.Pool, appended: asyncio.Event, on_sequenced: Callable[[int], None]) -> None:
        self._pool = pool
        self._appended = appended
        self._on_sequenced = on_sequenced
        self._lease = Lease(pool, "sequencer")

    async def run(self) -> None:
        """Sequence until cancelled."""
        async with self._lease:
            await self._lease.repeat(self._turn)

    async def _turn(self) -> None:
        if await self.step() < BATCH:
            await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS if self._lease.epoch is not None else STANDBY_SECONDS):
                await self._appended.wait()
        except TimeoutError:
            pass
        self._appended.clear()

    async def step(self) -> int:
        """Sequence one batch; returns how many events got a position."""
        epoch = await self._lease.held()
        if epoch is None:
            return 0
        async with self._pool.acquire() as connection:
            rows = await connection.fetch("select * from take_unsequenced($1)", BATCH)
            if not rows:
                return 0
            reached(FaultPoint.SEQUENCE_TAKEN)
            head = await connection.fetchrow("select position, peaks, log_id from log_head, log_identity")
            log_id: UUID = head["log_id"]
            leaves = [leaf_hash(canonical(record_from_row(row, log_id))) for row in rows]
            grown = extend(head["position"], head["peaks"], leaves)
            reached(FaultPoint.SEQUENCE_HASHED)
            position = await connection.fetchval(
                "select write_log($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                epoch,
                head["position"],
                [row["seq"] for row in rows],
                [row["stream"] for row in rows],
                [row["version"] for row in rows],
                leaves,
                grown.peaks,
                [subtree.height for subtree in grown.completed],
                [subtree.number for subtree in grown.completed],
                [subtree.hash for subtree in grown.completed],
            )
        reached(FaultPoint.SEQUENCE_WRITTEN)
        self._on_sequenced(position)
        return len(rows)
