"""Projections made anew: equal to the live ones, built while writes go on, and mended where the live ones are wrong."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
import pytest

from shared.eventstore import derived as derived_tables
from shared.eventstore import projections
from shared.eventstore.derived import Derived
from shared.eventstore.listing import Listed, Lister, caught_up, listing, read_page
from shared.eventstore.projections import Builder, builds, request_build
from shared.eventstore.reader import LogReader
from shared.eventstore.sequencer import Sequencer
from shared.eventstore.store import Store
from tests.integration.eventstore.account import ACCOUNT, Account
from tests.integration.eventstore.commands import close, move, open_account, set_bound, spend, stream_of
from tests.integration.eventstore.listed import Shown, show


def show_doubled(stream: str, account: Account) -> Listed:
    return Listed([f"total:{account.total}"], Shown(stream, 2 * account.total))


@asynccontextmanager
async def working(
    pool: asyncpg.Pool, store: Store, *, version: int = 1, shows: Callable[[str, Any], Listed] = show
) -> AsyncIterator[LogReader]:
    """A worker: sequencer, head and builder."""
    reader = LogReader(pool)
    await reader.start()
    lists = listing([Lister("account", ACCOUNT, shows)], store.types, version)
    tasks = [
        asyncio.create_task(Sequencer(pool, store.appended, reader.advance).run()),
        asyncio.create_task(Builder(pool, reader, [lists], Derived(pool, store.types)).run()),
    ]
    try:
        yield reader
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_live(pool: asyncpg.Pool, name: str, build: int) -> None:
    async with asyncio.timeout(30):
        while not any((b.name, b.build, b.state) == (name, build, "live") for b in await builds(pool)):
            await asyncio.sleep(0.05)


async def everything_shown(pool: asyncpg.Pool) -> dict[str, int]:
    items = (await read_page(pool, "account", [], None, 1000)).items
    return {item.id: item.total for item in (msgspec.json.decode(data, type=Shown) for data in items)}


async def listed(pool: asyncpg.Pool, store: Store, stream: str) -> None:
    """Wait until the lists show a stream as it is now."""
    version = await pool.fetchval("select version from stream where id = $1", stream)
    assert await caught_up(pool, f"{stream}@{version}", 20)


async def make_accounts(store: Store, count: int) -> list[str]:
    opened = await asyncio.gather(*(open_account(store, f"n{n}", f"owner-{n // 2}") for n in range(count)))
    return [stream_of(carried) for carried in opened]


async def write_until(store: Store, streams: list[str], stop: asyncio.Event) -> int:
    """Move the accounts on and open and close others until told to stop; returns how often."""
    number = 0
    while not stop.is_set():
        await asyncio.gather(*(move(store, stream) for stream in streams[number % 7 :: 7]))
        name = f"passing-{number}"
        await close(store, stream_of(await open_account(store, name, f"{name}-owner")))
        number += 1
    return number


async def test_a_rebuilt_list_equals_the_live_one_and_is_built_while_writes_go_on(
    store: Store, pool: asyncpg.Pool
) -> None:
    streams = await make_accounts(store, 40)
    async with working(pool, store):
        stop = asyncio.Event()
        writing = asyncio.create_task(write_until(store, streams, stop))
        build = await request_build(pool, "listing", 1)
        await until_live(pool, "listing", build)
        stop.set()
        assert await writing > 0
        for stream in streams:
            await listed(pool, store, stream)
        rows = await pool.fetch("select key, value from inline_row where view = 'total'")
        shown = await everything_shown(pool)
    assert shown == {row["key"]: msgspec.json.decode(row["value"])["total"] for row in rows}


async def test_a_new_version_is_built_beside_the_old_one_and_then_takes_its_place(
    store: Store, pool: asyncpg.Pool
) -> None:
    streams = await make_accounts(store, 3)
    await move(store, *streams, by=4)
    async with working(pool, store):
        await listed(pool, store, streams[2])
        assert await everything_shown(pool) == dict.fromkeys(sorted(streams), 4)
    async with working(pool, store, version=2, shows=show_doubled):
        await until_live(pool, "listing", 2)
        assert await everything_shown(pool) == dict.fromkeys(sorted(streams), 8)
        async with asyncio.timeout(20):
            while await pool.fetchval("select count(*) from listing where build = 1"):
                await asyncio.sleep(0.05)


async def test_code_of_an_older_version_leaves_the_newer_lists_alone(store: Store, pool: asyncpg.Pool) -> None:
    streams = await make_accounts(store, 2)
    async with working(pool, store, version=2, shows=show_doubled):
        await until_live(pool, "listing", 2)
    async with working(pool, store, version=1):
        await move(store, streams[0], by=7)
        await asyncio.sleep(1.2)
        assert await everything_shown(pool) == dict.fromkeys(sorted(streams), 0)
        assert [b.build for b in await builds(pool) if b.name == "listing" and b.state != "retired"] == [2]


async def test_a_build_is_asked_for_once_and_a_second_request_joins_it(pool: asyncpg.Pool) -> None:
    numbers = await asyncio.gather(*(request_build(pool, "listing", 1) for _ in range(10)))
    assert set(numbers) == {2}


async def test_limits_and_rows_made_again_from_the_events_equal_the_live_ones(
    store: Store, other_store: Store, pool: asyncpg.Pool
) -> None:
    await set_bound(store, "2025", "1000.00")
    stores = (store, other_store)
    streams = await make_accounts(store, 30)
    await asyncio.gather(*(open_account(stores[n % 2], f"n{n % 45}", "wanted") for n in range(200)))
    await asyncio.gather(*(spend(stores[n % 2], "2025", "18.00") for n in range(80)))
    await asyncio.gather(*(close(stores[n % 2], stream) for n, stream in enumerate(streams[::3])))
    await asyncio.gather(*(open_account(stores[n % 2], f"n{n}", "again") for n in range(30)))
    derived = Derived(pool, store.types)
    assert await derived.differences() == []
    async with working(pool, store) as reader:
        await reader.wait_beyond(300, 5)
        assert await derived.differences() == []


FALSIFIED = {
    "a place nobody asked for": "insert into limit_unique values ('owner', 'owner-1/9', 'acc_nobody')",
    "a name given to another": "update limit_unique set holder = 'acc_nobody' where scope = 'name' and key = 'n3'",
    "a name set free": "update limit_unique set holder = null where scope = 'name' and key = 'n4'",
    "a name lost": "delete from limit_unique where scope = 'name' and key = 'n5'",
    "a place lost": "delete from limit_unique where scope = 'owner' and key like 'owner-2/%'",
    "a ledger a cent off": "update limit_bounded set used = used + 0.01",
    "a bound raised": "update limit_bounded set bound = bound + 1",
    "a row changed": "update inline_row set value = '{}' where key = (select min(key) from inline_row)",
    "a row lost": "delete from inline_row where key = (select max(key) from inline_row)",
    "a row too many": "insert into inline_row values ('total', 'acc_nobody', '{}')",
}


@pytest.mark.parametrize("change", FALSIFIED)
async def test_what_a_live_table_says_wrongly_is_found_and_mended(
    store: Store, pool: asyncpg.Pool, change: str
) -> None:
    await set_bound(store, "2025", "1000.00")
    await spend(store, "2025", "18.00")
    await make_accounts(store, 10)
    await pool.execute(FALSIFIED[change])
    derived = Derived(pool, store.types)
    assert len(await derived.differences()) == 1
    assert await derived.mend_limits() + await derived.mend_rows() == 1
    assert await derived.differences() == []


async def test_limits_are_mended_while_commands_go_on(store: Store, pool: asyncpg.Pool) -> None:
    streams = await make_accounts(store, 40)
    await pool.execute("update limit_unique set holder = null where scope = 'name' and key in ('n1', 'n2')")
    async with working(pool, store):
        stop = asyncio.Event()
        writing = asyncio.create_task(write_until(store, streams, stop))
        build = await request_build(pool, "limits", 1)
        await until_live(pool, "limits", build)
        stop.set()
        await writing
    assert await pool.fetchval("select mended from projection_build where name = 'limits'") == 2
    assert await Derived(pool, store.types).differences() == []


async def test_what_is_written_between_two_looks_at_what_has_moved_is_not_lost(
    store: Store, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derived_tables, "STREAMS", 2)
    moved = derived_tables._moved
    await make_accounts(store, 8)
    sequencer = Sequencer(pool, store.appended, lambda position: None)
    late: list[str] = []

    async def moved_and_then_another(connection: asyncpg.Connection, since: int) -> list[str]:
        found = await moved(connection, since)
        if not late:
            late.append(stream_of(await open_account(store, "late", "late")))
            while await sequencer.step():
                pass
        return found

    monkeypatch.setattr(derived_tables, "_moved", moved_and_then_another)
    assert await Derived(pool, store.types).mend_limits() == 0
    holder = await pool.fetchval("select holder from limit_unique where scope = 'name' and key = 'late'")
    assert holder == late[0]


async def test_a_build_that_is_no_longer_building_does_not_go_live(store: Store, pool: asyncpg.Pool) -> None:
    await request_build(pool, "limits", 1)
    stale = next(build for build in await builds(pool) if build.name == "limits")
    await pool.execute("update projection_build set state = 'retired' where name = 'limits'")
    async with pool.acquire() as connection, connection.transaction():
        assert not await projections._make_live(connection, stale)
    assert await pool.fetchval("select state from projection_build where name = 'limits'") == "retired"


async def test_a_scope_kept_apart_is_left_alone(store: Store, pool: asyncpg.Pool) -> None:
    await pool.execute("insert into limit_unique values ('keyed', 'hash', 'per_1')")
    assert await Derived(pool, store.types, {"keyed"}).differences() == []
    assert len(await Derived(pool, store.types).differences()) == 1


async def test_who_is_frozen_while_the_tables_are_locked_lets_them_go(
    store: Store, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derived_tables, "THINKING", "500ms")

    async def frozen() -> None:
        async with Derived(pool, store.types)._staged() as connection:
            async with asyncio.timeout(20):
                await open_account(store, "n", "owner")
            await connection.fetchval("select 1")

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await frozen()
