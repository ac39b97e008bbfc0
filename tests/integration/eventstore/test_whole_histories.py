"""Histories: every stream of a kind, folded as the store itself would, whatever the size of a batch."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from shared.eventstore.decider import Upcast
from shared.eventstore.histories import History, histories
from shared.eventstore.needs import Needs
from shared.eventstore.record import UnknownEventType
from shared.eventstore.store import Store
from tests.integration.eventstore.account import ACCOUNT, Account
from tests.integration.eventstore.commands import move, open_account, stream_of


async def all_of(store: Store, batch: int) -> list[History[Account]]:
    return [history async for history in histories(store.pool, store.types, ACCOUNT, batch=batch)]


async def looked_at(store: Store, streams: Sequence[str]) -> list[History[Account]]:
    """The same from the store's own load, in order of ids."""
    work = await store.look(Needs(streams=tuple(streams)))
    return [History(stream, work.version(stream), work.state(ACCOUNT, stream)) for stream in sorted(streams)]


async def accounts(store: Store, lengths: Sequence[int]) -> list[str]:
    """New accounts with so many events each."""
    streams = []
    for n, length in enumerate(lengths):
        stream = stream_of(await open_account(store, f"n{n}", f"o{n}"))
        for by in range(1, length):
            await move(store, stream, by=by)
        streams.append(stream)
    return streams


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 1000])
async def test_each_stream_is_folded_as_the_store_folds_it(store: Store, batch: int) -> None:
    streams = await accounts(store, [1, 5, 1, 2, 8, 1, 3, 1])
    assert await all_of(store, batch) == await looked_at(store, streams)


async def test_an_empty_store_has_no_histories(store: Store) -> None:
    assert await all_of(store, 10) == []


async def test_streams_of_other_kinds_are_left_out(store: Store, pool: asyncpg.Pool) -> None:
    streams = await accounts(store, [2])
    for other in ("ac_1", "acc", "acca_1", "accz", "ad_1"):
        await put(pool, other, 1, "test.Other.v1", b'{"type":"test.Other.v1"}')
    assert await all_of(store, 1) == await looked_at(store, streams)


async def test_a_reader_who_stops_early_gives_the_connection_back(store: Store, pool: asyncpg.Pool) -> None:
    await accounts(store, [1] * 6)
    for _ in range(2 * pool.get_max_size()):
        reading: Any = histories(pool, store.types, ACCOUNT, batch=1)
        await anext(reading)
        await reading.aclose()
    assert pool.get_idle_size() == pool.get_size()


async def test_old_versions_are_upcast(store: Store, pool: asyncpg.Pool) -> None:
    shifted = Upcast("test.Shifted.v1", "test.Moved.v1", lambda old: {"by": old["far"]})
    store = Store(pool, [ACCOUNT], store.keyring, upcasts=[shifted])
    (stream,) = await accounts(store, [2])
    await put(pool, stream, 3, "test.Shifted.v1", b'{"type":"test.Shifted.v1","far":40}')
    await pool.execute("update stream set version = 3 where id = $1", stream)
    await move(store, stream, by=1)
    assert await all_of(store, 3) == await looked_at(store, [stream])
    assert (await all_of(store, 3))[0].state.total == 42


async def test_an_event_that_nobody_knows_is_not_passed_over(store: Store, pool: asyncpg.Pool) -> None:
    (stream,) = await accounts(store, [1])
    await put(pool, stream, 2, "test.Unheard.v1", b'{"type":"test.Unheard.v1"}')
    with pytest.raises(UnknownEventType):
        await all_of(store, 10)


async def test_while_writes_go_on_each_stream_is_a_beginning_of_itself_and_none_is_missed(
    store: Store, other_store: Store
) -> None:
    streams = await accounts(store, [3] * 12)
    done = asyncio.Event()

    async def write() -> None:
        while not done.is_set():
            await asyncio.gather(*(move(other_store, stream) for stream in streams))

    writing = asyncio.create_task(write())
    try:
        read = [await all_of(store, batch) for batch in (1, 2, 5, 1000) for _ in range(3)]
    finally:
        done.set()
        await writing
    work = await store.look(Needs(streams=tuple(streams)))
    for found in read:
        assert [history.stream for history in found] == sorted(streams)
        for stream, version, state in found:
            assert state == ACCOUNT.fold(item.event for item in work.history(stream)[:version])


async def put(pool: asyncpg.Pool, stream: str, version: int, type: str, payload: bytes) -> None:
    """An event as another program, or an older version of ours, may have written it."""
    await pool.execute(
        "insert into event (stream, version, id, type, recorded_at, occurred_at, actor_client, correlation_id, payload)"
        " values ($1, $2, gen_random_uuid(), $3, now(), now(), 'test', gen_random_uuid(), $4)",
        stream,
        version,
        type,
        payload,
    )
