"""Reactions wait in order within a stream, beside each other otherwise; one that cannot be served stops nobody else."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from shared.eventstore import reactions as reactions_of
from shared.eventstore.decider import Upcast
from shared.eventstore.follower import Follower
from shared.eventstore.interruptions import AskLater
from shared.eventstore.needs import Needs
from shared.eventstore.process import Ask, Command, Process, Reaction, Reactor, SetTimer
from shared.eventstore.reactions import Pause, Reactions, queue_for, release, set_timer
from shared.eventstore.reader import LogReader
from shared.eventstore.record import Record, UnknownEventType, tag_of
from shared.eventstore.sequencer import Sequencer
from shared.eventstore.store import Store
from shared.eventstore.work import Answer, Work
from shared.telemetry.errors import describe
from tests.integration.eventstore.account import ACCOUNT, Moved
from tests.integration.eventstore.commands import move, open_account, stream_of

MIRROR = "acc_mirror"
PAST = datetime(2020, 1, 1, tzinfo=UTC)


def moved_by(stream: str, by: int) -> Command:
    def handle(work: Work) -> Answer:
        work.append(ACCOUNT, stream, [Moved(by)])
        return Answer(204, b"")

    return Command(needs=Needs(streams=(stream,)), handler=handle)


async def queued(store: Store, reactor: Reactor) -> Reactions:
    """Everything that has been appended is sequenced and waits for its reactions."""
    reader = LogReader(store.pool)
    sequencer = Sequencer(store.pool, store.appended, reader.advance)
    while await sequencer.step():
        pass
    await reader.start()
    follower = Follower(store.pool, reader, "processes", queue_for(reactor, "test"))
    while await follower.step():
        pass
    reactions = Reactions(store, reactor)
    assert await reactions._lease.held() is not None
    return reactions


async def test_a_question_that_stays_open_holds_up_its_own_stream_alone(store: Store, pool: asyncpg.Pool) -> None:
    silent, answered = [stream_of(await open_account(store, name, name)) for name in ("silent", "answered")]
    await move(store, silent, by=1)
    await move(store, answered, by=2)
    asked: list[str] = []

    def react(record: Record) -> Sequence[Reaction]:
        async def ask(_: object) -> Command | None:
            asked.append(record.stream)
            if record.stream == silent:
                raise AskLater
            return moved_by(MIRROR, 1)

        return [Ask(ask=ask)]

    process = Process(name="asking", on=frozenset({"test.Opened.v1", tag_of(Moved)}), react=react)
    reactions = await queued(store, Reactor(store, [process]))
    assert await reactions.react() == 2
    assert (await store.look(Needs(streams=(MIRROR,)))).state(ACCOUNT, MIRROR).total == 2
    assert asked.count(silent) == 1
    assert await reactions.react() == 0, "it waits before it is asked again"
    assert await pool.fetchval("select count(*) from reaction where stream = $1", silent) == 2
    await pool.execute("update reaction set not_before = now() where not_before is not null")
    await reactions.react()
    assert asked.count(silent) == 2
    assert await pool.fetchval("select pause from reaction where not_before is not null") == timedelta(seconds=0.4)


@pytest.mark.parametrize("error", [UnknownEventType("x"), RecursionError("x")], ids=describe)
async def test_what_can_never_be_served_is_parked_and_what_follows_it_on_its_stream_too(
    store: Store, pool: asyncpg.Pool, error: Exception
) -> None:
    bad, good = [stream_of(await open_account(store, name, name)) for name in ("bad", "good")]
    await move(store, bad)

    def react(record: Record) -> Sequence[Reaction]:
        if record.stream == bad and record.version == 1:
            raise error
        return [moved_by(MIRROR, 1)]

    process = Process(name="p", on=frozenset({"test.Opened.v1", tag_of(Moved)}), react=react)
    reactions = await queued(store, Reactor(store, [process]))
    await reactions.react()
    rows = await pool.fetch("select stream, reason from parked order by id")
    assert [row["stream"] for row in rows] == [bad, bad]
    assert rows[1]["reason"] == "排在同一事件流已搁置的消息之后"
    assert (await store.look(Needs(streams=(MIRROR,)))).state(ACCOUNT, MIRROR).total == 1
    assert good


async def test_what_was_parked_is_served_in_order_when_it_is_released(store: Store, pool: asyncpg.Pool) -> None:
    stream = stream_of(await open_account(store, "one", "o"))
    await move(store, stream)
    served: list[int] = []
    understood = False

    def react(record: Record) -> Sequence[Reaction]:
        if not understood and record.version == 1:
            raise UnknownEventType("x")
        served.append(record.version)
        return ()

    reactor = Reactor(store, [Process(name="p", on=frozenset({"test.Opened.v1", tag_of(Moved)}), react=react)])
    await move(store, stream)
    reactions = await queued(store, reactor)
    third = await pool.fetchrow("delete from reaction where position = 3 returning source, stream, position, record")
    await reactions.react()
    await pool.execute("insert into reaction (source, stream, position, record) values ($1, $2, $3, $4)", *third)
    understood = True
    assert await release(pool, stream, PAST) == 2
    while await reactions.react():
        pass
    assert served == [1, 2, 3]
    assert await pool.fetchval("select count(*) from parked") == 0


async def test_a_timer_that_was_parked_is_due_at_once_when_it_is_released(store: Store, pool: asyncpg.Pool) -> None:
    understood = False

    def wake(stream: str, _: bytes) -> Sequence[Command]:
        if not understood:
            raise UnknownEventType("x")
        return [moved_by(stream, 1)]

    reactions = Reactions(store, Reactor(store, [Process(name="p", on=frozenset(), react=lambda _: (), wake=wake)]))
    async with pool.acquire() as connection:
        await set_timer(connection, "p", SetTimer(key=MIRROR, due_at=PAST, payload=b""))
    await reactions.wake_due()
    understood = True
    assert await release(pool, MIRROR, PAST) == 1
    await reactions.wake_due()
    assert (await store.look(Needs(streams=(MIRROR,)))).state(ACCOUNT, MIRROR).total == 1


async def test_a_process_hears_older_versions_of_what_it_listens_to(store: Store, pool: asyncpg.Pool) -> None:
    old = Upcast("test.Shifted.v1", "test.Moved.v1", lambda event: {"by": event["far"]})
    process = Process(name="p", on=frozenset({tag_of(Moved)}), react=lambda record: [moved_by(MIRROR, 1)])
    reactor = Reactor(Store(pool, [ACCOUNT], store.keyring, upcasts=[old]), [process])
    assert reactor.listens_to("test.Shifted.v1")
    assert not reactor.listens_to("test.Opened.v1")


async def test_a_late_worker_does_not_put_its_timer_over_a_newer_one(store: Store, pool: asyncpg.Pool) -> None:
    stream = stream_of(await open_account(store, "one", "o"))
    await move(store, stream)
    later = datetime(2030, 1, 1, tzinfo=UTC)

    def react(record: Record) -> Sequence[Reaction]:
        due = PAST if record.version == 1 else later
        return [SetTimer(key=record.stream, due_at=due, payload=b"")]

    reactor = Reactor(store, [Process(name="p", on=frozenset({"test.Opened.v1", tag_of(Moved)}), react=react)])
    reactions = await queued(store, reactor)
    first = await pool.fetchrow("select * from waiting_reactions(1)")
    assert await reactions.react() == 2
    await reactions._react_to(first)
    assert await pool.fetchval("select due_at from timer") == later


async def test_a_timer_that_can_never_be_served_is_parked_and_later_ones_are_woken(
    store: Store, pool: asyncpg.Pool
) -> None:
    unreadable = f"acc_{uuid4()}"
    await pool.execute(
        "insert into event (stream, version, id, type, recorded_at, occurred_at, actor_client, correlation_id, payload)"
        " values ($1, 1, gen_random_uuid(), 'test.Nobody.v9', now(), now(), 'x', gen_random_uuid(), '{}')",
        unreadable,
    )

    def wake(stream: str, _: bytes) -> Sequence[Command]:
        if stream == "silent":
            raise AskLater
        return [moved_by(stream, 1)]

    reactor = Reactor(store, [Process(name="p", on=frozenset(), react=lambda record: (), wake=wake)])
    async with pool.acquire() as connection:
        for number, key in enumerate(("silent", unreadable, MIRROR)):
            due_at = PAST + timedelta(days=number)
            await set_timer(connection, "p", SetTimer(key=key, due_at=due_at, payload=b""))
    assert await Reactions(store, reactor).wake_due() == 2
    assert (await store.look(Needs(streams=(MIRROR,)))).state(ACCOUNT, MIRROR).total == 1
    assert [row["key"] for row in await pool.fetch("select key from timer")] == ["silent"]
    assert [row["stream"] for row in await pool.fetch("select stream from parked")] == [unreadable]


async def test_what_nobody_foresaw_holds_up_its_own_stream_alone_and_is_tried_again(
    store: Store, pool: asyncpg.Pool
) -> None:
    bad, good = [stream_of(await open_account(store, name, name)) for name in ("bad", "good")]
    broken = True

    def react(record: Record) -> Sequence[Reaction]:
        if record.stream == bad and broken:
            raise ZeroDivisionError
        return [moved_by(MIRROR, 1)]

    process = Process(name="p", on=frozenset({"test.Opened.v1"}), react=react)
    reactions = await queued(store, Reactor(store, [process]))
    assert await reactions.react() == 1
    assert [row["stream"] for row in await pool.fetch("select stream from reaction")] == [bad]
    broken = False
    await pool.execute("update reaction set not_before = now()")
    assert await reactions.react() == 1
    assert (await store.look(Needs(streams=(MIRROR,)))).state(ACCOUNT, MIRROR).total == 2
    assert good


@pytest.mark.parametrize("error", [ZeroDivisionError(), asyncpg.NumericValueOutOfRangeError("x"), AskLater()])
async def test_a_timer_that_cannot_be_woken_is_left_alone_for_longer_each_time_and_others_are_woken(
    store: Store, pool: asyncpg.Pool, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reactions_of, "BATCH", 1)
    tried = 0

    def wake(stream: str, _: bytes) -> Sequence[Command]:
        nonlocal tried
        if stream == "bad":
            tried += 1
            raise error
        return [moved_by(stream, 1)]

    reactions = Reactions(store, Reactor(store, [Process(name="p", on=frozenset(), react=lambda _: (), wake=wake)]))
    async with pool.acquire() as connection:
        for number, key in enumerate(("bad", MIRROR)):
            due_at = PAST + timedelta(days=number)
            await set_timer(connection, "p", SetTimer(key=key, due_at=due_at, payload=b""))
    assert [await reactions.wake_due() for _ in range(3)] == [0, 1, 0]
    assert tried == 1
    [(timer, pause)] = reactions._pauses.items()
    now = asyncio.get_running_loop().time()
    reactions._pauses = {timer: pause._replace(until=now)}
    assert await reactions.wake_due() == 0
    assert tried == 2
    assert reactions._pauses[timer].seconds == 2 * pause.seconds


async def test_who_was_not_woken_and_is_no_longer_due_then_is_forgotten(store: Store) -> None:
    reactions = Reactions(store, Reactor(store, []))
    over = asyncio.get_running_loop().time() - reactions_of.LONGEST_PAUSE_SECONDS
    reactions._pauses = {("p", "moved", PAST): Pause(60.0, over - 1), ("p", "bad", PAST): Pause(60.0, over + 60)}
    await reactions.wake_due()
    assert reactions._pauses.keys() == {("p", "bad", PAST)}


async def test_what_newer_code_has_queued_is_left_to_it(store: Store, pool: asyncpg.Pool) -> None:
    """As while an upgrade goes on: who holds the lease of reactions may not know the process yet."""
    stream = stream_of(await open_account(store, "one", "o"))
    newer = Process(name="p", on=frozenset({"test.Opened.v1"}), react=lambda _: [moved_by(stream, 1)])
    waiting = await queued(store, Reactor(store, [newer]))
    older = Reactions(store, Reactor(store, []))
    await waiting._lease.give_up()
    assert await older._lease.held() is not None
    assert await older.react() == 0
    await older._lease.give_up()
    await pool.execute("update reaction set not_before = now()")
    assert await waiting.react() == 1
    assert (await store.look(Needs(streams=(stream,)))).state(ACCOUNT, stream).total == 1
