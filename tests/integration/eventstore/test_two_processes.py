"""Two processes with batches over shared streams and limits: no deadlock, no lost update, to each its own result."""

import asyncio
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import asyncpg
import msgspec

from shared.eventstore.derived import Derived
from shared.eventstore.needs import Needs
from shared.eventstore.sequencer import Sequencer
from shared.eventstore.store import Store
from tests.integration.eventstore.account import ACCOUNT
from tests.integration.eventstore.commands import move, open_account, set_bound, stream_of
from tests.integration.eventstore.whole import assert_whole
from tests.integration.eventstore.writer import LINE, SHARED, Told

PROCESSES = 2


async def told_by(dsn: str, keys: Path, name: str) -> Told:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.eventstore.writer", dsn, str(keys), name),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return msgspec.json.decode(said, type=Told)


def counted(values: list[dict[str, int]]) -> Counter[str]:
    return sum(map(Counter, values), Counter())


async def test_what_two_processes_are_answered_is_what_happened(
    dsn: str, keys: Path, pool: asyncpg.Pool, store: Store
) -> None:
    await set_bound(store, LINE, "1000.00")
    told = await asyncio.gather(*(told_by(dsn, keys, f"writer-{n}") for n in range(PROCESSES)))

    work = await store.look(Needs(streams=SHARED))
    totals = {stream: work.state(ACCOUNT, stream).total for stream in SHARED}
    assert totals == dict(counted([one.moved for one in told]))

    assert not told[0].names.keys() & told[1].names.keys()
    rows = await pool.fetch("select key, holder from limit_unique where scope = 'name' and holder is not null")
    assert {row["key"]: row["holder"] for row in rows} == told[0].names | told[1].names

    owners = counted([one.owners for one in told])
    assert max(owners.values()) <= 3
    places = await pool.fetchval("select count(*) from limit_unique where scope = 'owner' and holder is not null")
    assert places == owners.total()

    spent = sum(one.spent for one in told)
    assert spent == 1000 // 18
    assert await pool.fetchval("select used from limit_bounded") == Decimal("18.00") * spent
    assert {"name_taken", "no_place", "exhausted"} >= counted([one.rejected for one in told]).keys()

    assert await Derived(pool, store.types).differences() == []
    sequencer = Sequencer(pool, store.appended, lambda position: None)
    while await sequencer.step():
        pass
    await assert_whole(pool)
    assert await pool.fetchval("select deadlocks from pg_stat_database where datname = current_database()") == 0


async def test_cancelled_requests_are_carried_out_whole_or_not_at_all_and_harm_nobody(
    store: Store, other_store: Store, pool: asyncpg.Pool
) -> None:
    streams = [stream_of(await open_account(store, f"s{n}", f"o{n}")) for n in range(4)]
    stores = (store, other_store)
    tasks = [asyncio.create_task(move(stores[n % 2], streams[n % 4], streams[(n + 1) % 4])) for n in range(60)]
    for number, task in enumerate(tasks):
        if number % 3 == 0:
            await asyncio.sleep(0.0005)
            task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert failed
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in failed)
    work = await store.look(Needs(streams=tuple(streams)))
    totals = [work.state(ACCOUNT, stream).total for stream in streams]
    events = await pool.fetch("select stream, version from event where type = 'test.Moved.v1'")
    assert Counter(row["stream"] for row in events) == dict(zip(streams, totals, strict=True))
    # Each command moves two streams: in whole commands, and at least all those that were not cancelled.
    assert sum(totals) % 2 == 0
    assert len(outcomes) - len(failed) <= sum(totals) // 2 <= len(outcomes)
