"""`cross_service_p99_ms`: from an event's acceptance to its effect in another service's database, at 500 events/s.

Registry registers people, subsidy keeps a fact of each: two service processes, as `huchuang up` starts them, over
Apache Kafka. The clock starts before the append's commit, with the time that registry's database writes into the event
(so what the caller waits for after that is counted too), and stops when this process, a stranger to both, is shown by
SQL that subsidy's database holds the effect: it asks every other millisecond for the watermark, which is committed in
one transaction with the facts that it speaks of. So the figures are too large by up to one question, never too small;
all stamps are of one machine's clock. At the end the facts are counted.
"""

import asyncio
import bisect
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx

from tests.bench.carrying import Carrying, carrying, serving
from tests.bench.kernel import on_uvloop
from tests.bench.rounds import median

EVENTS_PER_S = 500
SECONDS = 8
WARM_UP_SECONDS = 3
LOOK_SECONDS = 0.002
PATIENCE = 20.0


def measure(directory: Path, rounds: int) -> dict[str, float]:
    return on_uvloop(_measure(directory, rounds))


async def _measure(directory: Path, rounds: int) -> dict[str, float]:
    found = []
    async with carried(directory, "registry", "subsidy") as (place, watch):
        for number in range(rounds + 1):
            found.append(await _round(place, watch, SECONDS if number else WARM_UP_SECONDS))
        connection = await asyncpg.connect(place.settings.databases["subsidy"])
        facts = await connection.fetchval("select count(*) from fact where kind = 'PersonFact'")
        await connection.close()
        if facts != watch.seen[-1]:
            raise RuntimeError(f"{facts} facts of {watch.seen[-1]} events")
    return {
        "cross_service_p99_ms": median([percentile(ms, 99) for ms in found[1:]], 2),
        "cross_service_p50_ms": median([percentile(ms, 50) for ms in found[1:]], 2),
        "cross_service_max_ms": median([ms[-1] for ms in found[1:]], 2),
    }


async def _round(place: Carrying, watch: "Watch", seconds: int) -> list[float]:
    """How long each event took, ms, ascending."""
    before = watch.seen[-1] if watch.seen else 0
    async with loaded(place, "registry", EVENTS_PER_S, seconds) as lines:
        accepted = [line async for line in lines]
    await watch.until(before + len(accepted))
    return await watch.latencies(place.settings.databases["registry"], before)


# -- the load ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def loaded(place: Carrying, service: str, per_s: int, seconds: int) -> AsyncIterator[AsyncIterator[str]]:
    """Have a producing service append events; yields the streams that it writes, as they are accepted."""
    url = f"{place.settings.services[service]}/bench/load?per_s={per_s}&seconds={seconds}"
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http, http.stream("POST", url) as answer:
        answer.raise_for_status()
        yield _accepted(answer)


async def _accepted(answer: httpx.Response) -> AsyncIterator[str]:
    async for line in answer.aiter_lines():
        if line.startswith("!"):
            raise RuntimeError(f"the load was not carried out: {line}")
        yield line


# -- what another database shows --------------------------------------------------------------------------------------


class Watch:
    """What a consumer's database shows of a source, and since when: `seen` are watermarks, `at` seconds since 1970."""

    def __init__(self, connection: asyncpg.Connection, source: str) -> None:
        self._connection = connection
        self._source = source
        self.seen: list[int] = []
        self.at: list[float] = []

    async def look(self) -> None:
        """Look all the time, until cancelled."""
        query = await self._connection.prepare("select watermark from applied where source = $1")
        while True:
            watermark = await query.fetchval(self._source)
            if watermark is not None and (not self.seen or watermark > self.seen[-1]):
                self.at.append(time.time())
                self.seen.append(watermark)
            await asyncio.sleep(LOOK_SECONDS)

    async def until(self, position: int) -> None:
        """Raises TimeoutError when it does not come so far."""
        async with asyncio.timeout(PATIENCE):
            while not self.seen or self.seen[-1] < position:
                await asyncio.sleep(0.05)

    async def latencies(self, producer: str, after: int) -> list[float]:
        """From each event's `recorded_at` in the producer's database until it was seen here, ms, ascending."""
        connection = await asyncpg.connect(producer)
        rows = await connection.fetch(
            "select l.position, e.recorded_at from log l join event e on e.stream = l.stream and e.version = l.version"
            " where l.position > $1 and l.position <= $2",
            *(after, self.seen[-1]),
        )
        await connection.close()
        seen_at = ((self.at[bisect.bisect_left(self.seen, position)], recorded) for position, recorded in rows)
        return sorted((at - recorded.timestamp()) * 1000 for at, recorded in seen_at)


@asynccontextmanager
async def watched(place: Carrying, consumer: str, source: str) -> AsyncIterator[Watch]:
    """Watch what a consumer has applied of a source, within this block."""
    connection = await asyncpg.connect(place.settings.databases[consumer])
    watch = Watch(connection, source)
    looking = asyncio.create_task(watch.look())
    try:
        yield watch
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await connection.close()


@asynccontextmanager
async def carried(directory: Path, producer: str, consumer: str) -> AsyncIterator[tuple[Carrying, Watch]]:
    """A service that appends, one that applies it, and who watches what has been applied."""
    async with (
        carrying(directory, producer, consumer) as place,
        serving(place, producer, producing=True),
        serving(place, consumer),
        watched(place, consumer, producer) as watch,
    ):
        yield place, watch


def percentile(ascending: Sequence[float], percent: int) -> float:
    return ascending[min(len(ascending) - 1, len(ascending) * percent // 100)]
