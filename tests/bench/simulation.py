"""`simulated_claims_per_s`: a policy version judged over all claims there were; and making their snapshots."""

import asyncio
import statistics
import time
from decimal import Decimal
from pathlib import Path

import asyncpg
from msgspec.structs import replace

from services.subsidy.domain.policy import PROGRAMME, PolicyDrafted, Programme, stream_of
from services.subsidy.domain.policy_version import PolicyVersion
from services.subsidy.processes.simulation import judged
from services.subsidy.projections.snapshots import SNAPSHOTS, snapshots
from shared.eventstore.follower import Follower
from shared.eventstore.needs import Needs
from shared.eventstore.projections import follower_of
from shared.eventstore.reader import LogReader
from shared.eventstore.store import Store
from shared.runtime.long_work import Progress
from tests.bench.kernel import Kernel, kernel, on_uvloop, sequence
from tests.bench.pasts import policy
from tests.bench.rounds import median
from tests.bench.snapshots import put_log

EVENTS = 1_000_000
LOOK = 0.001


def measure(directory: Path, rounds: int) -> dict[str, float]:
    return on_uvloop(_measure(directory, rounds))


async def _measure(directory: Path, rounds: int) -> dict[str, float]:
    async with kernel(directory) as place:
        await sequence(place)
        connection = await asyncpg.connect(place.dsn)
        claims = await put_log(connection, policy(), EVENTS)
        await connection.close()
        built = await _built(place)
        await place.pool.execute("vacuum analyze claim_snapshot")
        rates, stalls = [], []
        for number in range(rounds + 1):
            rate, stall = await _judged(place, claims)
            if number:
                rates.append(rate)
                stalls.append(stall)
    return {
        "simulated_claims_per_s": median(rates, 0),
        "simulated_claims": claims,
        "simulation_holds_the_loop_ms": round(statistics.median(stalls), 1),
        "snapshots_from_1m_events_s": round(built, 1),
        "snapshot_events_per_s": round(EVENTS / built),
    }


async def _built(place: Kernel) -> float:
    """Seconds to make the snapshots from the whole log."""
    reader = LogReader(place.pool)
    await reader.start()
    follower = Follower(place.pool, reader, follower_of(SNAPSHOTS, 1), snapshots(place.store.types).apply(1))
    began = time.perf_counter()
    while await follower.step():
        pass
    return time.perf_counter() - began


async def _judged(place: Kernel, claims: int) -> tuple[float, float]:
    """Claims per second, and the longest time for which nobody else had the event loop, ms."""
    known = await _with_draft(place.store, policy())
    longest, over = 0.0, False

    async def watch() -> None:
        nonlocal longest
        while not over:
            began = time.perf_counter()
            await asyncio.sleep(LOOK)
            longest = max(longest, time.perf_counter() - began - LOOK)

    watching = asyncio.create_task(watch())
    began = time.perf_counter()
    result = await judged(place.pool, known, policy().programme, "draft", Progress(place.pool, "opn_bench"))
    seconds = time.perf_counter() - began
    over = True
    await watching
    if result.claims != claims or not result.gaining or not result.losing:
        raise RuntimeError(f"{result.claims} claims judged, {result.gaining} gain, {result.losing} lose")
    return claims / seconds, longest * 1000


async def _with_draft(store: Store, version: PolicyVersion) -> Programme:
    """The programme with a draft that changes the window and the amount, and asks for one place less."""
    stream = stream_of(version.programme)
    programme = (await store.look(Needs(streams=(stream,)))).state(PROGRAMME, stream)
    changed = replace(version.parameters, window_months=6, amount=Decimal("2000.00"), places=2)
    return PROGRAMME.fold([PolicyDrafted(replace(version, version="draft", parameters=changed), "drafter")], programme)
