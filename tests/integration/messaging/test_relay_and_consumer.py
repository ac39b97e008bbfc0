"""From the log to Kafka and into another service's inbox, over a broker that dies and comes back empty."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from deploy.local import ports
from deploy.local.brokers.running import running_broker
from deploy.local.brokers.topics import create_topics
from shared.eventstore.follower import read_checkpoint
from shared.eventstore.reader import LogReader
from shared.eventstore.record import canonical
from shared.eventstore.sequencer import Sequencer
from shared.eventstore.store import Store
from shared.messaging import relay as relaying
from shared.messaging import subscriber as subscribing
from shared.messaging.bookmarks import Bookmarks, Lives
from shared.messaging.broker import PARTITIONS
from shared.messaging.consumer import Consumer
from shared.messaging.inbox import Inbox
from shared.messaging.reader import Batches
from shared.messaging.relay import Relay
from shared.messaging.subscriber import Subscriber
from shared.messaging.topics import headers, read_message, topic_of
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from tests.integration.eventstore.account import ACCOUNT
from tests.integration.eventstore.commands import move, open_account, stream_of
from tests.integration.messaging.conftest import CONSUMER, SOURCE, Diary, Told
from tests.integration.messaging.working import at_work, in_kafka, until

TOPIC = topic_of(SOURCE)


@pytest.fixture
def store(pool: asyncpg.Pool, keys: Path) -> Store:
    return Store(pool, [ACCOUNT], Keyring(FileMasterKey(keys)))


@pytest.fixture
async def reader(pool: asyncpg.Pool, store: Store) -> AsyncIterator[LogReader]:
    """The log of `store`, sequenced as it grows."""
    opened = LogReader(pool)
    await opened.start()
    async with at_work(Sequencer(pool, store.appended, opened.advance).run()):
        yield opened


async def written(store: Store, reader: LogReader, streams: int, moves: int) -> int:
    """Write events to some streams at once; returns how long the log is when all have a position."""
    before = reader.head
    opened = [stream_of(await open_account(store, f"n{before}-{n}", f"o{before}-{n}")) for n in range(streams)]
    await asyncio.gather(*(move(store, opened[n % streams]) for n in range(moves)))
    head = before + streams + moves

    async def complete() -> bool:
        return reader.head >= head

    await until(complete)
    return head


def published(pool: asyncpg.Pool, head: int) -> Callable[[], Awaitable[bool]]:
    async def reached() -> bool:
        return await read_checkpoint(pool, relaying.READER) >= head

    return reached


async def test_the_relay_publishes_everything_once_in_order_with_its_headers(
    pool: asyncpg.Pool, store: Store, reader: LogReader, bootstrap: str
) -> None:
    head = await written(store, reader, 5, 45)
    async with at_work(Relay(pool, reader, SOURCE, bootstrap).run()):
        await until(published(pool, head))
        assert await read_checkpoint(pool, relaying.READER) == head
    messages = await in_kafka(bootstrap, TOPIC, head)
    items = [read_message(message.topic, message.headers, message.value) for message in messages]
    assert sorted(item.position for item in items) == list(range(1, head + 1))
    stored = {item.position: item.record for item in await reader.read(0, 1000)}
    for message, item in zip(messages, items, strict=True):
        assert message.value == canonical(stored[item.position])
        assert message.key == item.record.stream.encode()
        named = dict(message.headers)
        assert named["ce_specversion"] == b"1.0"
        assert named["ce_id"] == str(item.record.id).encode()
        assert named["ce_type"] == item.record.type.encode()
        assert named["ce_subject"] == item.record.stream.encode()
        assert named["ce_source"] == b"/huchuang/ledger"
    for stream in {item.record.stream for item in items}:
        own = [item for item in items if item.record.stream == stream]
        assert [item.record.version for item in own] == list(range(1, len(own) + 1))
        assert len({message.partition for message in messages if message.key == stream.encode()}) == 1


async def test_a_relay_goes_on_where_the_last_one_stopped(
    pool: asyncpg.Pool, store: Store, reader: LogReader, bootstrap: str
) -> None:
    first = await written(store, reader, 2, 8)
    async with at_work(Relay(pool, reader, SOURCE, bootstrap).run()):
        await until(published(pool, first))
    head = await written(store, reader, 1, 4)
    async with at_work(Relay(pool, reader, SOURCE, bootstrap).run()):
        await until(published(pool, head))
    assert len(await in_kafka(bootstrap, TOPIC, head)) == head


async def test_a_relay_that_was_replaced_cannot_move_the_checkpoint(
    pool: asyncpg.Pool, store: Store, reader: LogReader, bootstrap: str
) -> None:
    first = await written(store, reader, 1, 5)
    frozen, leader = (Relay(pool, reader, SOURCE, bootstrap) for _ in range(2))
    assert await frozen.step()
    assert await read_checkpoint(pool, relaying.READER) == first
    # It is frozen past its lease, another leads, publishes, and is ahead; then it wakes, sure that it still leads.
    await pool.execute("update lease set expires_at = '-infinity' where name = $1", relaying.READER)
    head = await written(store, reader, 1, 5)
    assert await leader.step()
    frozen.position = 0
    assert frozen._lease.epoch is not None
    frozen._lease._renew_at = float("inf")
    assert await frozen.step()
    assert frozen._lease.epoch is None
    assert await read_checkpoint(pool, relaying.READER) == head
    assert not await frozen.step()
    assert frozen.position == head
    for each in (frozen, leader):
        await each.close()


async def test_an_empty_broker_is_filled_again_and_effects_stay_once(
    pool: asyncpg.Pool, store: Store, reader: LogReader, diary: Diary, tmp_path: Path
) -> None:
    port = ports.any_free()
    bootstrap = f"127.0.0.1:{port}"
    relay = Relay(pool, reader, SOURCE, bootstrap)
    consumer = Consumer(pool, diary.inbox, [SOURCE], bootstrap)

    async def applied(head: int, working: Sequence[asyncio.Task[Any]]) -> None:
        async def reached() -> bool:
            return (await diary.watermark() or 0) >= head

        await until(reached, working)

    async def incarnation() -> str | None:
        found: str | None = await pool.fetchval("select incarnation from checkpoint where reader = $1", relaying.READER)
        return found

    async with at_work(relay.run(), consumer.run()) as working:
        async with running_broker(tmp_path, port=port, topics=(TOPIC,)):
            first = await written(store, reader, 3, 27)
            await applied(first, working)
            before = await incarnation()
        lost = await written(store, reader, 2, 8)  # while there is no broker at all
        async with running_broker(tmp_path, port=port, topics=(TOPIC,)):
            await applied(lost, working)

            async def noticed() -> bool:
                return await incarnation() != before

            await until(noticed)
            head = await written(store, reader, 1, 4)
            await applied(head, working)
            messages = await in_kafka(bootstrap, TOPIC, head)
    again = {read_message(m.topic, m.headers, m.value).position for m in messages}
    assert again == set(range(1, head + 1))
    assert sorted(await diary.positions()) == list(range(1, head + 1))
    assert await diary.parked() == []


async def test_a_consumer_goes_on_at_its_offsets_and_without_them_applies_nothing_twice(
    pool: asyncpg.Pool, diary: Diary, told: Told, bootstrap: str
) -> None:
    taken: list[int] = []

    class Watched(Inbox):
        async def take(self, batch: Any) -> None:
            taken.extend(item.position for item in batch)
            await super().take(batch)

    inbox = Watched(pool, CONSUMER, diary._write)

    async def consumed(upto: int) -> None:
        async def reached() -> bool:
            noted = await pool.fetchval("select sum(next_offset) from consumer_offset")
            return (await diary.watermark() or 0) >= upto and noted == upto

        async with at_work(Consumer(pool, inbox, [SOURCE], bootstrap).run()):
            await until(reached)

    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:

        async def publish(*positions: int) -> None:
            for position in positions:
                item = told(position, f"acc_{position % 7}")
                await producer.send_and_wait(
                    TOPIC,
                    item.data,
                    key=item.record.stream.encode(),
                    headers=headers(SOURCE, position, item.record),
                )

        await publish(*range(1, 21))
        await consumed(20)
        await publish(*range(21, 31))
        taken.clear()
        await consumed(30)
        assert sorted(taken) == list(range(21, 31))

        await pool.execute("delete from consumer_offset")
        taken.clear()
        await consumed(30)
        assert taken == []
        assert sorted(await diary.positions()) == list(range(1, 31))
    finally:
        await producer.stop()


async def test_of_two_consumers_one_reads_until_it_gives_up(
    pool: asyncpg.Pool, store: Store, reader: LogReader, diary: Diary, bootstrap: str
) -> None:
    other = Diary(pool)
    first = asyncio.create_task(Consumer(pool, diary.inbox, [SOURCE], bootstrap).run())
    async with at_work(
        Relay(pool, reader, SOURCE, bootstrap).run(), Consumer(pool, other.inbox, [SOURCE], bootstrap).run()
    ):
        head = await written(store, reader, 2, 10)

        async def reached() -> bool:
            return (await diary.watermark() or 0) >= head

        await until(reached)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        head = await written(store, reader, 2, 10)
        await until(reached)
    assert sorted(await diary.positions()) == list(range(1, head + 1))


async def test_a_consumer_that_was_there_before_the_topics_hears_them(
    pool: asyncpg.Pool, diary: Diary, told: Told, tmp_path: Path
) -> None:
    """A broker that comes back takes connections before its topics are made."""
    bootstrap = f"127.0.0.1:{ports.any_free()}"
    async with (
        running_broker(tmp_path, port=int(bootstrap.rpartition(":")[2]), topics=("huchuang.other.events",)),
        at_work(Consumer(pool, diary.inbox, [SOURCE], bootstrap).run()) as working,
    ):
        await asyncio.sleep(2)
        await create_topics(bootstrap, (TOPIC,))
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
        await producer.start()
        try:
            item = told(1)
            await producer.send_and_wait(
                TOPIC, item.data, key=item.record.stream.encode(), headers=headers(SOURCE, 1, item.record)
            )
        finally:
            await producer.stop()

        async def reached() -> bool:
            return await diary.watermark() == 1

        await until(reached, working)


class Stumbling(Subscriber):
    """Takes few messages at a time, and stumbles over every third piece while the next is on its way."""

    def __init__(self, pool: asyncpg.Pool, bootstrap: str) -> None:
        super().__init__(pool, "stumbling", Bookmarks(pool, "stumbling"), [TOPIC], bootstrap)
        self.taken: dict[tuple[str, int], set[int]] = {}
        self.pieces = 0

    async def _take(self, batches: Batches, lives: Lives) -> None:
        self.pieces += 1
        await asyncio.sleep(0.01)
        if self.pieces % 3 == 0:
            raise ConnectionResetError("the database has gone")
        for place, messages in batches.items():
            known = self.taken.setdefault((place.topic, place.partition), set())
            known.update(message.offset for message in messages)

    async def left_out(self, pool: asyncpg.Pool) -> list[tuple[str, int, int]]:
        """What would not be read again although it was never taken."""
        rows = await pool.fetch(
            "select topic, partition, next_offset from consumer_offset where consumer = 'stumbling'"
        )
        return [
            (row["topic"], row["partition"], offset)
            for row in rows
            for offset in range(row["next_offset"])
            if offset not in self.taken.get((row["topic"], row["partition"]), ())
        ]


async def test_what_was_fetched_and_not_taken_is_read_again(
    pool: asyncpg.Pool, store: Store, reader: LogReader, bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one piece is taken the next is fetched: it is forgotten with a piece that fails, and comes again."""
    monkeypatch.setattr(subscribing, "MAX_RECORDS", 7)
    monkeypatch.setattr(subscribing, "CHECK_SECONDS", 0.0)
    subscriber = Stumbling(pool, bootstrap)
    async with at_work(Relay(pool, reader, SOURCE, bootstrap).run()) as working:
        head = await written(store, reader, 10, 60)
        await until(published(pool, head), working)
    async with at_work(subscriber.run()) as working:

        async def all_taken() -> bool:
            assert await subscriber.left_out(pool) == []
            return sum(map(len, subscriber.taken.values())) >= head + PARTITIONS

        await until(all_taken, working)
    assert subscriber.pieces > 6
