"""`sequenced_p99_ms`: from an event's append to the moment when a reader may read it, at 2,000 events a second.

The load is open: claims, two events each, are sent when they are due, whether or not earlier ones have been answered.
The clock starts before the append's commit, with the time that the database writes into the event, and stops when the
reader in this process knows of the event's position.
"""

import asyncio
import bisect
import time
from collections.abc import Sequence
from pathlib import Path

from shared.eventstore.decider import Rejection
from shared.eventstore.sequencer import Sequencer
from tests.bench.commands import new_claims
from tests.bench.endpoints import Asked
from tests.bench.kernel import Kernel, kernel, on_uvloop
from tests.bench.rounds import median

EVENTS_PER_S = 2000
EVENTS_PER_CLAIM = 2
SECONDS = 3


def measure(directory: Path, rounds: int) -> dict[str, float]:
    return on_uvloop(_measure(directory, rounds))


async def _measure(directory: Path, rounds: int) -> dict[str, float]:
    """Medians of the rounds' percentiles, ms."""
    async with kernel(directory) as place:
        heads: list[int] = []
        known: list[float] = []

        def advance(position: int) -> None:
            place.reader.advance(position)
            heads.append(place.reader.head)
            known.append(time.time())

        sequencer = asyncio.create_task(Sequencer(place.pool, place.store.appended, advance).run())
        rounds_ms = []
        for _ in range(rounds + 1):
            appended = await _round(place)
            rounds_ms.append(
                sorted((known[bisect.bisect_left(heads, position)] - at) * 1000 for position, at in appended)
            )
        sequencer.cancel()
        await asyncio.gather(sequencer, return_exceptions=True)
    return {
        "sequenced_p99_ms": median([_percentile(ms, 99) for ms in rounds_ms[1:]], 2),
        "sequenced_p50_ms": median([_percentile(ms, 50) for ms in rounds_ms[1:]], 2),
        "sequenced_max_ms": median([ms[-1] for ms in rounds_ms[1:]], 2),
    }


async def _round(place: Kernel) -> list[tuple[int, float]]:
    """The position of each event of a round, and when it was appended, in seconds since 1970."""
    commands = await new_claims(place, EVENTS_PER_S // EVENTS_PER_CLAIM * SECONDS)
    before = place.reader.head
    await _send(place, commands)
    if not await place.reader.wait_beyond(before + len(commands) * EVENTS_PER_CLAIM - 1, 10):
        raise RuntimeError("the sequencer did not keep up")
    rows = await place.pool.fetch(
        "select l.position, e.recorded_at from log l join event e on e.stream = l.stream and e.version = l.version"
        " where l.position > $1",
        before,
    )
    return [(position, recorded_at.timestamp()) for position, recorded_at in rows]


async def _send(place: Kernel, commands: Sequence[Asked]) -> None:
    """Send each command when it is due. Raises RuntimeError when one was rejected, or when the last was sent late."""
    interval = EVENTS_PER_CLAIM / EVENTS_PER_S
    sent = []
    began = time.perf_counter()
    for n, asked in enumerate(commands):
        while (early := began + n * interval - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        sent.append(asyncio.create_task(place.store.carry_out(*asked)))
    late = time.perf_counter() - began - len(commands) * interval
    rejected = [item.outcome for item in await asyncio.gather(*sent) if isinstance(item.outcome, Rejection)]
    if rejected or late > 0.5:
        raise RuntimeError(f"{len(rejected)} were rejected, the last was sent {late:.1f} s late")


def _percentile(ascending: Sequence[float], percent: int) -> float:
    return ascending[min(len(ascending) - 1, len(ascending) * percent // 100)]
