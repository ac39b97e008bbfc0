"""Whatever becomes of messages on their way, each takes effect once, in order within its stream, or is parked."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from shared.messaging.broker import PARTITIONS
from shared.messaging.consumer import Consumer
from shared.messaging.inbox import CannotHandle, Inbox
from shared.messaging.incarnation import marker_headers
from shared.messaging.topics import Delivered, headers, topic_of
from tests.faults.report import Result, keep
from tests.integration.messaging.conftest import CONSUMER, POISON, SOURCE, Diary, Told
from tests.integration.messaging.malformed import malformed
from tests.integration.messaging.working import at_work, until

TOPIC = topic_of(SOURCE)
STREAMS = [f"acc_{number}" for number in range(12)]
EVENTS = 400
POISONED = ("acc_3", "acc_7")


@asynccontextmanager
async def producing(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def begin_topic(producer: AIOKafkaProducer) -> None:
    """What a publisher does before anything else, so that everybody knows which life of the topic this is."""
    for partition in range(PARTITIONS):
        await producer.send_and_wait(TOPIC, b"", partition=partition, headers=marker_headers())


async def send(producer: AIOKafkaProducer, item: Delivered) -> None:
    key = item.record.stream.encode()
    await producer.send_and_wait(TOPIC, item.data, key=key, headers=headers(SOURCE, item.position, item.record))


def mishandled(sent: Sequence[Delivered], chance: random.Random) -> list[Delivered]:
    """Every message at least once: some twice, some far too late, and stale ones of a relay that woke up."""
    late = {item.position: item.position + chance.choice((0, 0, 0, 3, 40)) for item in sent}
    doubled = [*sent, *chance.sample(sent, len(sent) // 3)]
    return sorted(doubled, key=lambda item: (late[item.position] + chance.random(), item.position))


def believes_that_it_leads(consumer: Consumer) -> None:
    """As one does that was frozen past its lease and has just woken, for as long as it runs."""
    consumer._lease.epoch = 1
    consumer._lease._renew_at = float("inf")


async def test_doubled_late_reordered_and_unreadable_messages_take_effect_once_in_order(
    pool: asyncpg.Pool, diary: Diary, told: Told, bootstrap: str, seed: str
) -> None:
    chance = random.Random(seed)
    sent = [told(position, chance.choice(STREAMS)) for position in range(1, EVENTS + 1)]
    rubbish = 0
    garbage = malformed(told(1))

    async def reached() -> bool:
        return await diary.watermark() == EVENTS and len(await diary.parked()) == rubbish

    first, second = (Consumer(pool, diary.inbox, [SOURCE], bootstrap) for _ in range(2))
    believes_that_it_leads(second)
    async with producing(bootstrap) as to, AsyncExitStack() as later:
        await begin_topic(to)
        working = await later.enter_async_context(at_work(first.run(), second.run()))
        for item in mishandled(sent, chance):
            await send(to, item)
            if chance.random() < 0.05:
                bad = chance.choice(garbage)
                await to.send_and_wait(TOPIC, bad.value, key=bad.key, headers=bad.headers)
                rubbish += 1
        await until(reached, working)
    assert sorted(await diary.positions()) == list(range(1, EVENTS + 1))
    for stream in STREAMS:
        assert await diary.positions(stream) == [item.position for item in sent if item.record.stream == stream]
    rounds, where = EVENTS + EVENTS // 3, "two consumers at once"
    keep(Result("messages doubled, late, reordered", where, rounds, "each takes effect once, in order", seed))
    keep(Result("malformed messages", where, rubbish, "each parked with where it stood; nobody waits", seed))


async def test_what_cannot_be_handled_holds_up_its_own_stream_until_it_is_tried_again(
    pool: asyncpg.Pool, diary: Diary, told: Told, bootstrap: str, seed: str
) -> None:
    """A retry while messages keep coming restores the order: none of the stream overtakes the parked ones."""
    chance = random.Random(seed)
    sent = [told(position, chance.choice(STREAMS)) for position in range(1, EVENTS + 1)]
    poisoned = [next(item for item in sent if item.record.stream == stream) for stream in POISONED]
    sent = [told(item.position, item.record.stream, payload=POISON) if item in poisoned else item for item in sent]
    healed = asyncio.Event()

    async def write(connection: asyncpg.Connection, batch: Sequence[Delivered]) -> None:
        try:
            await diary._write(connection, list(batch))
        except CannotHandle:
            if not healed.is_set():
                raise

    inbox = Inbox(pool, CONSUMER, write)
    half = EVENTS // 2

    async def applied(watermark: int) -> bool:
        return await diary.watermark() == watermark

    async with at_work(Consumer(pool, inbox, [SOURCE], bootstrap).run()) as working, producing(bootstrap) as to:
        for item in sent[:half]:
            await send(to, item)
        await until(lambda: applied(half), working)
        for stream in POISONED:
            assert await diary.positions(stream) == []
        assert (await inbox.retry(POISONED[0])).served == 0
        [tried] = await pool.fetch(
            "select reason, attempts from parked where stream = $1 order by id limit 1", POISONED[0]
        )
        assert (tried["reason"], tried["attempts"]) == ("无法理解", 2)

        async def send_the_rest() -> None:
            for item in sent[half:]:
                await send(to, item)

        healed.set()
        sending = asyncio.create_task(send_the_rest())
        while not (sending.done() and await applied(EVENTS)):
            await asyncio.gather(*(inbox.retry(stream) for stream in POISONED))
            await asyncio.sleep(0.01)
        await asyncio.gather(sending, *(inbox.retry(stream) for stream in POISONED))
    assert await diary.parked() == []
    for stream in STREAMS:
        assert await diary.positions(stream) == [item.position for item in sent if item.record.stream == stream]
    keep(
        Result(
            "messages that cannot be handled",
            "consumer",
            len(POISONED),
            "parked, other streams went on; a retry under load restored the order",
            seed,
        )
    )


@pytest.mark.parametrize("stream", ["acc_a"])
async def test_a_message_arriving_while_the_last_parked_one_is_retried_waits_for_it(
    pool: asyncpg.Pool, diary: Diary, told: Told, stream: str
) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()
    healed = False

    async def write(connection: asyncpg.Connection, batch: Sequence[Delivered]) -> None:
        if not healed and batch[0].position == 1:
            raise CannotHandle("无法理解")
        if batch[0].position == 1:
            entered.set()
            await go_on.wait()
        await diary._write(connection, list(batch))

    inbox = Inbox(pool, CONSUMER, write)
    await inbox.take([told(1, stream)])
    healed = True
    retrying = asyncio.create_task(inbox.retry(stream))
    await entered.wait()
    taking = asyncio.create_task(inbox.take([told(2, stream)]))
    await asyncio.sleep(0.2)
    assert not taking.done()
    go_on.set()
    await asyncio.gather(retrying, taking)
    assert await diary.positions() == [1, 2]
    assert await diary.parked() == []
