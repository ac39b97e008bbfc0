"""`fold_vs_eventsourcing_read`: claims folded from our store, beside the peer's raw reading of as many notifications.

Ours reads whole histories, decodes each event and folds it to the claim. The peer only reads: rows with the same
payload bytes become its notifications, nothing is decoded.
"""

import asyncio
import time
from pathlib import Path
from uuid import UUID

import asyncpg

from services.subsidy.domain.claim import CLAIM
from shared.eventstore.histories import histories
from shared.values.randomness import random_bytes
from tests.bench.kernel import Kernel, kernel, on_uvloop
from tests.bench.pasts import past, policy, put_events, rows
from tests.bench.peer import DATABASE, Claims, peer
from tests.bench.rounds import alternate, median, ratio

STREAMS = 5000
CHUNKS = (500, 1000, 2000, 5000)
"""Notifications that the peer reads at once: the best of these counts."""


def measure(directory: Path, rounds: int) -> dict[str, float]:
    return on_uvloop(_measure(directory, rounds))


async def _measure(directory: Path, rounds: int) -> dict[str, float]:
    async with kernel(directory) as place:
        with peer(place.server) as reading:
            await _fill(place)

            async def folded() -> float:
                return await _folded(place)

            async def read() -> float:
                return await asyncio.to_thread(lambda: max(_read(reading.one, chunk) for chunk in CHUNKS))

            ours, theirs = await alternate(rounds, folded, read)
    return {
        "fold_vs_eventsourcing_read": ratio(ours, theirs),
        "folded_events_per_s": median(ours),
        "eventsourcing_read_events_per_s": median(theirs),
    }


async def _fill(place: Kernel) -> None:
    """The same payloads in the same order into our store and into the peer's table."""
    version, key = policy(), random_bytes(16)
    ours = [row for _ in range(STREAMS) for row in rows(*past(version), key)]
    theirs = [(UUID(row[0].partition("_")[2]), row[1], f"tests.bench.peer:Claim.{row[3]}", row[-1]) for row in ours]
    connection = await asyncpg.connect(place.dsn)
    await put_events(connection, ours)
    await connection.close()
    connection = await asyncpg.connect(place.server.dsn(DATABASE))
    await connection.copy_records_to_table(
        "claims_events", records=theirs, columns=["originator_id", "originator_version", "topic", "state"]
    )
    await connection.execute("vacuum analyze claims_events")
    await connection.close()


async def _folded(place: Kernel) -> float:
    """Events per second, from the store to the claim."""
    events, paid = 0, 0
    began = time.perf_counter()
    async for _, version, claim in histories(place.pool, place.store.types, CLAIM):
        events += version
        paid += claim.status == "paid"
    seconds = time.perf_counter() - began
    if paid != STREAMS:
        raise RuntimeError(f"{paid} of {STREAMS} claims are paid")
    return events / seconds


def _read(application: Claims, chunk: int) -> float:
    """Notifications per second."""
    events, start = 0, 1
    began = time.perf_counter()
    while found := application.recorder.select_notifications(start, chunk):
        events += len(found)
        start = found[-1].id + 1
    return events / (time.perf_counter() - began)
