"""Positions: gapless, in order within a stream, one writer, whatever else the database is doing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from shared.eventstore.lease import Lease
from shared.eventstore.reader import LogReader
from shared.eventstore.record import canonical
from shared.eventstore.sequencer import Sequencer
from shared.eventstore.store import Store
from shared.proof.merkle import leaf_hash, root, tree_root
from tests.integration.eventstore.commands import move, open_account, stream_of


@asynccontextmanager
async def sequencing(pool: asyncpg.Pool, store: Store) -> AsyncIterator[LogReader]:
    reader = LogReader(pool)
    await reader.start()
    task = asyncio.create_task(Sequencer(pool, store.appended, reader.advance).run())
    try:
        yield reader
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def sequenced(pool: asyncpg.Pool, count: int) -> None:
    """Wait until the log has `count` events."""
    async with asyncio.timeout(30):
        while await pool.fetchval("select position from log_head") < count:
            await asyncio.sleep(0.01)


async def test_concurrent_writers_leave_a_gapless_log_in_order_of_versions(
    store: Store, other_store: Store, pool: asyncpg.Pool
) -> None:
    async with sequencing(pool, store) as reader:
        streams = [stream_of(await open_account(store, f"s{n}", f"o{n}")) for n in range(6)]
        await asyncio.gather(
            *(move((store, other_store)[n % 2], streams[n % 6], streams[(n + 1) % 6]) for n in range(48))
        )
        await sequenced(pool, 6 + 96)
        items = await reader.read(0, 1000)
    assert [item.position for item in items] == list(range(1, 103))
    for stream in streams:
        versions = [item.record.version for item in items if item.record.stream == stream]
        assert versions == list(range(1, len(versions) + 1))
    assert await pool.fetchval("select count(*) from unsequenced") == 0


async def test_an_open_transaction_elsewhere_neither_stalls_nor_loses(
    store: Store, pool: asyncpg.Pool, dsn: str
) -> None:
    idle = await asyncpg.connect(dsn)
    transaction = idle.transaction()
    await transaction.start()
    await idle.execute("insert into lease values ('elsewhere', gen_random_uuid(), 1, now())")
    try:
        async with sequencing(pool, store):
            for n in range(10):
                await open_account(store, f"n{n}", f"o{n}")
            await sequenced(pool, 10)
    finally:
        await transaction.rollback()
        await idle.close()


async def test_leaves_and_peaks_are_those_of_the_records(store: Store, pool: asyncpg.Pool) -> None:
    async with sequencing(pool, store) as reader:
        for n in range(11):
            await open_account(store, f"n{n}", f"o{n}")
        await sequenced(pool, 11)
        items = await reader.read(0, 100)
    leaves = [leaf_hash(canonical(item.record)) for item in items]
    assert [item.leaf for item in items] == leaves
    assert root(await pool.fetchval("select peaks from log_head")) == tree_root(leaves)


async def test_only_the_holder_of_the_lease_sequences(store: Store, pool: asyncpg.Pool) -> None:
    first, second = Lease(pool, "sequencer"), Lease(pool, "sequencer")
    assert await first.held() == 1
    assert await second.held() is None
    await first.give_up()
    assert await second.held() == 2


async def test_a_former_holder_cannot_write(store: Store, pool: asyncpg.Pool) -> None:
    reader = LogReader(pool)
    await reader.start()
    old = Sequencer(pool, store.appended, reader.advance)
    await open_account(store, "one")
    assert await old.step() == 1
    await pool.execute("update lease set holder = gen_random_uuid(), epoch = epoch + 1 where name = 'sequencer'")
    await open_account(store, "two", "other")
    with pytest.raises(asyncpg.PostgresError) as refused:
        await old.step()
    assert refused.value.sqlstate == "HC004"
    assert await pool.fetchval("select position from log_head") == 1
