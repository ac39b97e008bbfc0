"""What a consumer makes of messages that nobody can read, of positions that do not come, and of another log's."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from shared.eventstore.record import canonical
from shared.messaging import consumer as consuming
from shared.messaging import subscriber as subscribing
from shared.messaging.consumer import Consumer
from shared.messaging.incarnation import is_marker
from shared.messaging.strays import MOST
from shared.messaging.topics import Delivered, headers, topic_of
from tests.integration.messaging.conftest import SOURCE, Diary, Told
from tests.integration.messaging.malformed import (
    CHANGES,
    MESSAGES,
    NAMELESS,
    Message,
    at,
    batch_of,
    fetched,
    is_kept_by_name,
    malformed,
    put,
)
from tests.integration.messaging.working import at_work, until

TOPIC = topic_of(SOURCE)


def sent(item: Delivered) -> Message:
    """An event as the relay sends it."""
    return Message(item.record.stream.encode(), headers(SOURCE, item.position, item.record), item.data)


class Taking:
    """A consumer that is given what a broker would give it, all of it in one partition."""

    def __init__(self, consumer: Consumer) -> None:
        self.reads = consumer
        self._offset = 0

    async def __call__(self, *given: Message | Delivered, checks: int = 0) -> None:
        for item in given:
            message = sent(item) if isinstance(item, Delivered) else item
            await self.reads._take({TopicPartition(TOPIC, 0): [fetched(TOPIC, self._offset, message)]}, {})
            self._offset += 1
        for _ in range(checks):
            await self.reads._check()


async def taking(pool: asyncpg.Pool, diary: Diary) -> Taking:
    consumer = Consumer(pool, diary.inbox, [SOURCE], "")
    await consumer._begin()
    return Taking(consumer)


@asynccontextmanager
async def sending(bootstrap: str) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """`send(*messages)` puts messages into one partition of the topic, one after the other."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")

    async def send(*messages: Message) -> None:
        for key, named, value in messages:
            await producer.send_and_wait(TOPIC, value, key=key, headers=named, partition=0)

    await producer.start()
    try:
        yield send
    finally:
        await producer.stop()


async def test_what_is_no_record_is_parked_with_where_it_stood(
    pool: asyncpg.Pool, diary: Diary, told: Told, bootstrap: str
) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        good = told(1, "acc_b")
        await producer.send_and_wait(TOPIC, b"not json", key=b"acc_a", headers=[("position", b"1")])
        await producer.send_and_wait(TOPIC, good.data, key=b"acc_a")
        await producer.send_and_wait(
            TOPIC, good.data, key=b"acc_b", headers=headers(SOURCE, good.position, good.record)
        )
    finally:
        await producer.stop()

    async def done() -> bool:
        return await diary.watermark() == 1 and len(await diary.parked()) == 2

    async with at_work(Consumer(pool, diary.inbox, [SOURCE], bootstrap).run()):
        await until(done)
    assert await diary.positions() == [1]
    assert all(TOPIC in reason for _, _, reason in await diary.parked())
    assert {stream for stream, _, _ in await diary.parked()} == {"acc_a"}


async def test_what_cannot_be_read_is_parked_and_stops_no_consumer(
    pool: asyncpg.Pool, diary: Diary, told: Told, bootstrap: str
) -> None:
    bad = malformed(told(1))
    async with sending(bootstrap) as send:
        for number, message in enumerate(bad, 1):
            await send(message, sent(told(number, f"acc_{number}")))

    async def done() -> bool:
        return await diary.watermark() == len(bad) and len(await diary.parked()) == len(bad)

    async with at_work(Consumer(pool, diary.inbox, [SOURCE], bootstrap).run()) as working:
        await until(done, working)
    assert await diary.positions() == list(range(1, len(bad) + 1))
    records = [row["record"] for row in await pool.fetch("select record from parked order by id")]
    assert records == [message.value or b"" for message in bad]


async def test_what_cannot_be_decoded_is_parked_once_and_stops_no_consumer(
    pool: asyncpg.Pool, diary: Diary, told: Told, bootstrap: str
) -> None:
    nameless = Message(b"acc_1", [(NAMELESS, b"")], b"{}")
    for piece in ([sent(told(1, "acc_1")), nameless], [sent(told(2, "acc_1"))]):
        await put(bootstrap, TOPIC, batch_of(piece))

    async def done() -> bool:
        return await diary.watermark() == 2

    for _ in range(2):
        async with at_work(Consumer(pool, diary.inbox, [SOURCE], bootstrap).run()) as working:
            await until(done, working)
        await pool.execute("truncate consumer_offset")
        await pool.execute("update applied set watermark = 1")
    assert await diary.positions() == [1, 2, 2]
    [(stream, _, reason)] = await diary.parked()
    assert stream == ""
    assert f"{TOPIC}/0/1" in reason


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(drawn=st.lists(MESSAGES | CHANGES, max_size=8))
async def test_whatever_stands_in_a_topic_takes_effect_once_or_is_parked(
    pool: asyncpg.Pool, diary: Diary, told: Told, monkeypatch: pytest.MonkeyPatch, drawn: list[Message | dict[str, Any]]
) -> None:
    """Messages of no sense among events, some of which say of themselves what no service ever writes."""
    monkeypatch.setattr(consuming, "SKIP_CHECKS", 0)
    await pool.execute("truncate applied, applied_above, parked, diary")
    events = [
        Delivered(SOURCE, number, changed, canonical(changed))
        for number, changes in enumerate((each for each in drawn if isinstance(each, dict)), 1)
        for changed in [msgspec.structs.replace(told(number, f"acc_{number}").record, **changes)]
    ]
    last = told(len(events) + 1, "acc_last")
    coming = iter(events)
    items = [next(coming) if isinstance(each, dict) else each for each in drawn]
    messages = [
        item if isinstance(item, Message) else Message(b"k", at(item.position), item.data) for item in (*items, last)
    ]
    consumer = await taking(pool, diary)
    await consumer(*messages, checks=len(messages))
    readable = [item.position for item in (*events, last) if is_kept_by_name(item.record)]
    assert await diary.positions() == readable
    assert await diary.watermark() == last.position
    unreadable = len(messages) - len(readable) - sum(map(is_marker, (fetched(TOPIC, 0, each) for each in messages)))
    assert len(await diary.parked()) == unreadable


async def test_a_log_that_nobody_knows_stops_neither_the_consumer_nor_other_logs(
    pool: asyncpg.Pool, diary: Diary, told: Told, bootstrap: str
) -> None:
    await diary.inbox.take([told(1, "acc_a")])
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        for item in (told(2, "acc_b", log_id=uuid4()), told(2, "acc_c")):
            await producer.send_and_wait(
                TOPIC, item.data, key=item.record.stream.encode(), headers=headers(SOURCE, 2, item.record)
            )
    finally:
        await producer.stop()

    async def reached() -> bool:
        return await diary.watermark() == 2

    async with at_work(Consumer(pool, diary.inbox, [SOURCE], bootstrap).run()) as working:
        await until(reached, working)
    assert await diary.positions("acc_b") == []


async def test_messages_of_another_log_are_strays_once_the_known_one_goes_on_behind_them(
    pool: asyncpg.Pool, diary: Diary, told: Told, bootstrap: str
) -> None:
    """Until then nothing says so, and their source is refused: its offsets are not noted."""
    other = uuid4()
    strays = [sent(told(position, "acc_a", log_id=other)) for position in (1, 2, 7)]
    consumer = Consumer(pool, diary.inbox, [SOURCE], bootstrap)

    async def noted() -> int:
        return await pool.fetchval("select coalesce(sum(next_offset), 0) from consumer_offset") or 0

    async def refused() -> bool:
        return consumer.refused == {SOURCE}

    async def told_apart() -> bool:
        return consumer.refused == set() and await noted() == 6

    async with sending(bootstrap) as send, at_work(consumer.run()) as working:
        await send(sent(told(1, "acc_a")), *strays)
        await until(refused, working)
        before = await noted()
        await asyncio.sleep(1.5 * subscribing.CHECK_SECONDS)
        assert (await noted(), await diary.parked(), consumer.refused) == (before, [], {SOURCE})
        await send(sent(told(2, "acc_b")), sent(told(3, "acc_a")))
        await until(told_apart, working)
    assert await diary.positions() == [1, 2, 3]
    parked = await pool.fetch("select stream, log_id, position, record, reason from parked order by id")
    assert [row["record"] for row in parked] == [stray.value for stray in strays]
    assert {(row["stream"], row["log_id"], row["position"]) for row in parked} == {(f"{other}/acc_a", None, None)}
    assert all(f"属于另一日志 {other}" in row["reason"] for row in parked)


async def test_a_consumer_that_reads_no_more_refuses_nobody(
    pool: asyncpg.Pool, diary: Diary, told: Told, bootstrap: str
) -> None:
    consumer = Consumer(pool, diary.inbox, [SOURCE], bootstrap)

    async def refused() -> bool:
        return consumer.refused == {SOURCE}

    async with sending(bootstrap) as send, at_work(consumer.run()) as working:
        await send(sent(told(1)), sent(told(2, log_id=uuid4())), sent(told(3)), sent(told(4, log_id=uuid4())))
        await until(refused, working)
        assert consumer._frontier.waiting == 1
    assert (consumer.refused, consumer._frontier.waiting) == (set(), 0)


async def test_a_position_that_stays_unreadable_holds_its_log_up_for_a_while_only(
    pool: asyncpg.Pool, diary: Diary, told: Told, bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "SKIP_CHECKS", 1)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(TOPIC, b"not json", key=b"acc_a", headers=[("position", b"1")])
        item = told(2, "acc_b")
        await producer.send_and_wait(TOPIC, item.data, key=b"acc_b", headers=headers(SOURCE, 2, item.record))
    finally:
        await producer.stop()

    async def passed() -> bool:
        return await diary.watermark() == 2

    async with at_work(Consumer(pool, diary.inbox, [SOURCE], bootstrap).run()) as working:
        await until(passed, working)
    assert await diary.positions() == [2]
    assert len(await diary.parked()) == 1


async def test_a_position_counts_as_lost_when_all_has_been_read_for_a_while_since_it_was_known(
    pool: asyncpg.Pool, diary: Diary, told: Told
) -> None:
    """Whatever time has gone by: its partition may have been away meanwhile, or this process frozen."""
    consumer = await taking(pool, diary)
    await consumer(told(2, "acc_b"), told(3, "acc_c"), checks=30)
    await consumer(Message(b"nobody", at(1), b"not json"), checks=consuming.SKIP_CHECKS - 1)
    assert await diary.positions() == []
    await consumer(told(1, "acc_a"))
    assert await diary.positions() == [1, 2, 3]


async def test_a_position_counts_as_lost_when_somebody_has_waited_for_it_for_a_while(
    pool: asyncpg.Pool, diary: Diary, told: Told
) -> None:
    consumer = await taking(pool, diary)
    await consumer(Message(b"nobody", at(1), b"not json"), checks=30)
    await consumer(told(2, "acc_b"), checks=consuming.SKIP_CHECKS)
    assert await diary.positions() == []
    await consumer(told(1, "acc_a"))
    assert await diary.positions() == [1, 2]


async def test_the_record_of_a_skipped_position_that_comes_late_is_parked_once_and_can_be_served(
    pool: asyncpg.Pool, diary: Diary, told: Told
) -> None:
    consumer = await taking(pool, diary)
    await consumer(Message(b"nobody", at(1), b"not json"), told(2, "acc_b"), checks=consuming.SKIP_CHECKS + 1)
    assert await diary.positions() == [2]
    stray = told(1, "acc_b", log_id=uuid4())
    await consumer(stray, told(1, "acc_a"), told(1, "acc_a"), told(3, "acc_c"))
    names = [("nobody", 1), (f"{stray.log_id}/acc_b", None), ("acc_a", 1)]
    assert sorted((stream, position) for stream, position, _ in await diary.parked()) == sorted(names)
    assert await diary.inbox.retry("acc_a") == (1, 0, None)
    await consumer(told(1, "acc_a"))
    assert await diary.positions() == [2, 3, 1]
    assert await diary.inbox.retry("acc_a") == (0, 0, None)


async def test_more_strays_than_are_remembered_refuse_their_source_until_its_log_goes_on(
    pool: asyncpg.Pool, diary: Diary, told: Told
) -> None:
    other = uuid4()
    consumer = await taking(pool, diary)
    await consumer(told(1), *(told(position, log_id=other) for position in range(1, MOST + 5)))
    assert consumer.reads.changed == consumer.reads.refused == {SOURCE}
    await consumer(told(2))
    assert consumer.reads.changed == consumer.reads.refused == set()
    assert await diary.positions() == [1, 2]
    assert len(await diary.parked()) == MOST


async def test_a_position_that_does_not_come_is_told_once_and_measured(
    pool: asyncpg.Pool, diary: Diary, told: Told, bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "WARN_SECONDS", 0.5)
    consumer = Consumer(pool, diary.inbox, [SOURCE, "other"], bootstrap)
    quiet = dict.fromkeys((SOURCE, "other"), (0, 0.0, False))
    monkeypatch.setattr(consumer, "_topics", [TOPIC])

    async def warned() -> bool:
        return bool(missing())

    def missing() -> list[int]:
        return [entry["position"] for entry in logged if entry["event"] == "position_missing"]

    async def complete() -> bool:
        return await diary.watermark() == 4

    assert consumer.waiting == quiet
    async with sending(bootstrap) as send, at_work(consumer.run()) as working:
        with capture_logs() as logged:
            await send(*map(sent, (told(1), told(3), told(4))))
            await until(warned, working)
            await asyncio.sleep(2.5 * subscribing.CHECK_SECONDS)
            found = consumer.waiting
            assert (missing(), found["other"]) == ([2], (0, 0.0, False))
            assert found[SOURCE].records == 2
            assert 2.5 < found[SOURCE].seconds < 60
            await send(sent(told(2)))
            await until(complete, working)
        assert consumer.waiting == quiet


async def test_who_goes_on_for_a_consumer_knows_which_position_was_unreadable(
    pool: asyncpg.Pool, diary: Diary, told: Told, bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is behind the noted offset, and is never read again."""
    monkeypatch.setattr(consuming, "SKIP_CHECKS", 1)

    async def parked_and_noted() -> bool:
        noted = await pool.fetchval("select sum(next_offset) from consumer_offset")
        return noted == 2 and len(await diary.parked()) == 1

    async def complete() -> bool:
        return await diary.watermark() == 4

    async with sending(bootstrap) as send:
        await send(sent(told(1)), Message(b"nobody", at(2), b"not json"))
        async with at_work(Consumer(pool, diary.inbox, [SOURCE], bootstrap).run()) as working:
            await until(parked_and_noted, working)
        await send(sent(told(3)), sent(told(4, "acc_b")))
        async with at_work(Consumer(pool, diary.inbox, [SOURCE], bootstrap).run()) as working:
            await until(complete, working)
    assert await diary.positions() == [1, 3, 4]
    assert len(await diary.parked()) == 1


async def test_an_unreadable_message_that_names_a_later_position_takes_nothing_from_the_event_there(
    pool: asyncpg.Pool, diary: Diary, told: Told, bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor that of the next position, as long as nothing behind it has come."""
    monkeypatch.setattr(consuming, "SKIP_CHECKS", 0)
    bad = [Message(b"nobody", at(position), b"not json") for position in (4, 6, 9)]
    async with (
        sending(bootstrap) as send,
        at_work(Consumer(pool, diary.inbox, [SOURCE], bootstrap).run()) as working,
    ):
        await send(*map(sent, (told(n, f"acc_{n}") for n in (1, 2, 3))), *bad)

        async def heard() -> bool:
            return await diary.watermark() == 3 and len(await diary.parked()) == len(bad)

        await until(heard, working)
        await asyncio.sleep(2.5 * subscribing.CHECK_SECONDS)
        await send(*map(sent, (told(n, f"acc_{n}") for n in range(4, 11))))

        async def complete() -> bool:
            return await diary.watermark() == 10

        await until(complete, working)
    assert sorted(await diary.positions()) == list(range(1, 11))
