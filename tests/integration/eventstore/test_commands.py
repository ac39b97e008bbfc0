"""Commands against a real PostgreSQL: atomic, limited, idempotent, whatever arrives at once."""

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import msgspec
import pytest

from shared.eventstore import store as stores
from shared.eventstore.calls import APPEND
from shared.eventstore.derived import Derived
from shared.eventstore.interruptions import TwinStillRunning
from shared.eventstore.needs import IdempotencyKey, Needs
from shared.eventstore.store import KeyReused, Store, new_context
from shared.eventstore.work import Answer, ErasedSubject, View, Work, fingerprint
from shared.values.personal import REDACTED, Clear
from tests.integration.eventstore.account import ACCOUNT, Account, Closed, Moved, Opened
from tests.integration.eventstore.commands import ACTOR, key, move, open_account, rejected, set_bound, spend, stream_of


async def test_an_event_is_read_back_as_it_was_written(store: Store) -> None:
    stream = stream_of(await open_account(store, "甲"))
    await move(store, stream, by=5)
    work = await store.look(Needs(streams=(stream,), rows=(("total", stream),)))
    assert work.version(stream) == 2
    assert work.state(ACCOUNT, stream).total == 5
    row = work.row("total", stream, type(work.state(ACCOUNT, stream)))
    assert row == work.state(ACCOUNT, stream)


async def test_a_name_is_given_once_however_many_ask_at_once(store: Store, other_store: Store) -> None:
    stores = (store, other_store)
    outcomes = await asyncio.gather(*(open_account(stores[n % 2], "one", f"owner-{n}") for n in range(100)))
    assert Counter(map(rejected, outcomes)) == {None: 1, "name_taken": 99}


async def test_of_two_hundred_for_three_places_three_get_one(
    store: Store, other_store: Store, pool: asyncpg.Pool
) -> None:
    stores = (store, other_store)
    outcomes = await asyncio.gather(*(open_account(stores[n % 2], f"n{n}") for n in range(200)))
    assert Counter(map(rejected, outcomes)) == {None: 3, "no_place": 197}
    assert await pool.fetchval("select count(*) from event") == 3
    assert await pool.fetchval("select count(*) from limit_unique where scope = 'name'") == 3


async def test_a_budget_is_never_overdrawn(store: Store, other_store: Store, pool: asyncpg.Pool) -> None:
    await set_bound(store, "2025", "1000.00")
    stores = (store, other_store)
    outcomes = await asyncio.gather(*(spend(stores[n % 2], "2025", "18.00") for n in range(80)))
    assert Counter(map(rejected, outcomes)) == {None: 55, "exhausted": 25}
    assert str(await pool.fetchval("select used from limit_bounded where key = '2025'")) == "990.00"


async def test_writers_on_shared_streams_lose_no_update(store: Store, other_store: Store) -> None:
    streams = [stream_of(await open_account(store, f"s{n}", f"o{n}")) for n in range(4)]
    stores = (store, other_store)
    await asyncio.gather(*(move(stores[n % 2], *(streams if n % 3 else reversed(streams[:2]))) for n in range(12)))
    work = await store.look(Needs(streams=tuple(streams)))
    totals = [work.state(ACCOUNT, stream).total for stream in streams]
    assert totals == [12, 12, 8, 8]


async def test_fifty_requests_under_one_key_have_one_effect_and_fifty_equal_answers(
    store: Store, other_store: Store, pool: asyncpg.Pool
) -> None:
    stores = (store, other_store)
    outcomes = await asyncio.gather(*(open_account(stores[n % 2], "same", idempotency=key("k")) for n in range(50)))
    bodies = {carried.outcome.body for carried in outcomes if isinstance(carried.outcome, Answer)}
    assert len(bodies) == 1
    assert sum(not carried.repeated for carried in outcomes) == 1
    assert await pool.fetchval("select count(*) from event") == 1


async def test_a_key_under_another_body_is_refused(store: Store) -> None:
    await open_account(store, "first", idempotency=key("k", b"one"))
    with pytest.raises(KeyReused):
        await open_account(store, "second", idempotency=key("k", b"two"))


async def test_a_rejected_command_keeps_no_answer_and_leaves_nothing(store: Store, pool: asyncpg.Pool) -> None:
    await open_account(store, "taken")
    assert rejected(await open_account(store, "taken", idempotency=key("again"))) == "name_taken"
    assert await pool.fetchval("select count(*) from idempotency") == 0
    assert rejected(await open_account(store, "free", idempotency=key("again"))) is None


async def test_a_losing_command_leaves_nothing_behind(store: Store, pool: asyncpg.Pool) -> None:
    await asyncio.gather(*(open_account(store, "one", f"owner-{n}", idempotency=key(f"k{n}")) for n in range(20)))
    streams = [row["id"] for row in await pool.fetch("select id from stream")]
    assert streams == [row["stream"] for row in await pool.fetch("select stream from event")]
    assert {row["holder"] for row in await pool.fetch("select holder from limit_unique")} == set(streams)
    assert await pool.fetchval("select count(*) from idempotency") == 1


async def test_what_one_command_takes_and_gives_back_is_free(store: Store, pool: asyncpg.Pool) -> None:
    def handle(work: Work) -> Answer:
        work.append(ACCOUNT, "acc_1", [Opened("name", "owner", Clear("owner", "秘密")), Closed()])
        return Answer(201, b"")

    await store.carry_out(Needs(), handle, new_context(ACTOR))
    assert await pool.fetchval("select count(*) from limit_unique where holder is not null") == 0
    assert rejected(await open_account(store, "name", "owner")) is None
    assert await Derived(pool, store.types).differences() == []


async def test_a_place_that_a_command_gives_back_it_may_take_again(store: Store, pool: asyncpg.Pool) -> None:
    streams = [stream_of(await open_account(store, f"n{n}", "owner")) for n in range(3)]
    places = tuple(("owner", f"owner/{place}") for place in (1, 2, 3))

    def handle(work: Work) -> Answer:
        work.append(ACCOUNT, streams[1], [Closed()])
        work.append(ACCOUNT, "acc_new", [Opened("new", "owner", Clear("owner", "秘密"))])
        return Answer(201, b"")

    needs = Needs(streams=(streams[1],), unique=places, subjects=("owner",))
    await store.carry_out(needs, handle, new_context(ACTOR))
    rows = await pool.fetch("select holder from limit_unique where scope = 'owner' and holder is not null")
    assert {row["holder"] for row in rows} == {streams[0], streams[2], "acc_new"}


async def test_a_lost_connection_does_not_do_twice_what_was_committed(store: Store, pool: asyncpg.Pool) -> None:
    streams = [stream_of(await open_account(store, f"n{n}", f"o{n}")) for n in range(2)]
    fetch = store._fetch

    async def lost_after_commit(query: str, *arguments: object) -> list[Any]:
        rows = await fetch(query, *arguments)
        if query == APPEND:
            raise asyncpg.ConnectionDoesNotExistError("lost")
        return rows

    store._fetch = lost_after_commit  # type: ignore[method-assign]
    outcomes = await asyncio.gather(*(move(store, stream) for stream in streams), return_exceptions=True)
    assert all(isinstance(outcome, asyncpg.ConnectionDoesNotExistError) for outcome in outcomes)
    store._fetch = fetch  # type: ignore[method-assign]
    work = await store.look(Needs(streams=tuple(streams)))
    assert [work.state(ACCOUNT, stream).total for stream in streams] == [1, 1]


async def test_a_subject_that_was_erased_before_it_had_a_key_is_not_taken_in(store: Store) -> None:
    assert not await store.erase("per_9")
    with pytest.raises(ErasedSubject):
        await open_account(store, "x", "per_9")


async def test_two_hundred_ask_for_the_last_of_a_budget(store: Store, other_store: Store, pool: asyncpg.Pool) -> None:
    await set_bound(store, "2025", "18.00")
    stores = (store, other_store)
    outcomes = await asyncio.gather(*(spend(stores[n % 2], "2025", "18.00") for n in range(200)))
    assert Counter(map(rejected, outcomes)) == {None: 1, "exhausted": 199}


async def test_a_twin_that_takes_too_long_is_told_to_come_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "TWIN_PATIENCE", 0.05)
    gone_on = asyncio.Event()
    fetch = store._fetch

    async def slow(query: str, *arguments: object) -> list[Any]:
        if query == APPEND:
            await gone_on.wait()
        return await fetch(query, *arguments)

    store._fetch = slow  # type: ignore[method-assign]
    first = asyncio.create_task(open_account(store, "one", idempotency=key("k")))
    await asyncio.sleep(0.02)
    with pytest.raises(TwinStillRunning):
        await open_account(store, "one", idempotency=key("k"))
    gone_on.set()
    assert rejected(await first) is None


async def test_a_losing_command_leaves_no_key_of_its_subject(store: Store, pool: asyncpg.Pool) -> None:
    await asyncio.gather(*(open_account(store, "one", f"per_{n}") for n in range(20)))
    assert await pool.fetchval("select count(*) from subject_key") == 1


async def test_personal_data_is_unreadable_in_the_table_and_gone_with_its_key(store: Store, pool: asyncpg.Pool) -> None:
    stream = stream_of(await open_account(store, "x", "per_1", secret="6222020000000000"))
    payload = await pool.fetchval("select payload from event where stream = $1", stream)
    assert b"6222020000000000" not in payload
    stored = (await store.look(Needs(streams=(stream,)))).history(stream)[0]
    assert isinstance(stored.event, Opened)
    sealed = stored.event.secret
    assert await store.disclose([(stored.id, sealed)]) == ["6222020000000000"]  # type: ignore[list-item]
    assert await store.erase("per_1")
    assert await store.disclose([(stored.id, sealed)]) == [REDACTED]  # type: ignore[list-item]


async def test_a_cancelled_request_harms_nobody(store: Store) -> None:
    tasks = [asyncio.create_task(open_account(store, f"c{n}", f"o{n}")) for n in range(30)]
    await asyncio.sleep(0)
    for task in tasks[::3]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    kept = [item for n, item in enumerate(outcomes) if n % 3]
    assert all(not isinstance(item, BaseException) and rejected(item) is None for item in kept)


async def test_stored_answers_are_sealed(store: Store, pool: asyncpg.Pool) -> None:
    stream = stream_of(await open_account(store, "sealed", idempotency=key("k")))
    answer = await pool.fetchval("select answer from idempotency")
    assert stream.encode() not in answer


async def test_an_answer_that_is_a_view_is_made_again_as_it_was(
    store: Store, other_store: Store, pool: asyncpg.Pool
) -> None:
    """Not even a name of the state is kept: a repeat gets the state that its command left, whatever came since."""
    view: View[Account] = View(ACCOUNT, lambda stream, account: {"id": stream, "account": account})
    viewing = Store(pool, [ACCOUNT], store.keyring, views=[view])
    stream = stream_of(await open_account(store, "told-again"))

    def move_one(work: Work) -> Answer:
        account = work.append(ACCOUNT, stream, [Moved(1)])
        return view.of(stream, account, work.version(stream), 201)

    async def carried() -> tuple[bool, object]:
        carried = await viewing.carry_out(Needs(streams=(stream,)), move_one, new_context(ACTOR), key("again"))
        return carried.repeated, carried.outcome

    first = await carried()
    await move(other_store, stream, by=7)
    again = await carried()
    assert (first[0], again[0]) == (False, True)
    assert again[1] == first[1]
    assert isinstance(first[1], Answer)
    assert (first[1].status, msgspec.json.decode(first[1].body)["account"]["total"]) == (201, 1)
    assert b"told-again" not in await pool.fetchval("select answer from idempotency")
    assert (await store.look(Needs(streams=(stream,)))).state(ACCOUNT, stream).total == 8


async def test_people_who_share_a_client_do_not_share_keys(store: Store, other_store: Store) -> None:
    """Each gets his own answer again, from any process, and nobody another's."""
    one, other = (IdempotencyKey(f"test/{user}", "same", fingerprint(b"")) for user in ("usr_1", "usr_2"))
    first = await open_account(store, "n1", "o1", idempotency=one)
    second = await open_account(store, "n2", "o2", idempotency=other)
    assert not first.repeated
    assert not second.repeated
    for told, mine in ((first, one), (second, other)):
        again = await open_account(other_store, "n3", "o3", idempotency=mine)
        assert (again.repeated, stream_of(again)) == (True, stream_of(told))


async def test_expired_answers_are_forgotten_and_others_kept(store: Store, pool: asyncpg.Pool) -> None:
    await open_account(store, "old", "a", idempotency=key("old"))
    await open_account(store, "new", "b", idempotency=key("new"))
    await pool.execute("update idempotency set expires_at = now() - interval '1 minute' where key = 'old'")
    assert await pool.fetchval("select forget_expired_answers(100)") == 1
    assert await pool.fetchval("select array_agg(key) from idempotency") == ["new"]
