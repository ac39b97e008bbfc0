"""Workers that run while a test looks on, and what Kafka has meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from shared.messaging.broker import ERRORS
from shared.messaging.incarnation import Incarnation, Incarnations, is_marker

PATIENCE = 30.0


async def until(condition: Callable[[], Awaitable[bool]], working: Sequence[asyncio.Task[Any]] = ()) -> None:
    """Wait for a condition, as long as nobody of `working` has died."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():
            for task in working:
                if task.done():
                    await task  # what it died of
            await asyncio.sleep(0.02)


@asynccontextmanager
async def at_work(*work: Coroutine[Any, Any, None]) -> AsyncIterator[Sequence[asyncio.Task[None]]]:
    """Run workers until the block ends. One that dies before is an error."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield tasks
        assert not any(task.done() for task in tasks), [task for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def incarnation_of(bootstrap: str, topic: str) -> Incarnation:
    """The incarnation of a topic that is there; waits until its partitions have leaders."""
    asked = Incarnations(bootstrap)
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    return (await asked.of([topic]))[topic]
                except ERRORS:
                    await asyncio.sleep(0.05)
    finally:
        await asked.close()


async def in_kafka(bootstrap: str, topic: str, count: int) -> list[ConsumerRecord]:
    """At least `count` messages of a topic, each partition in order; a second longer, to see what else comes.

    Of all the partitions that it has now, and without markers.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    found: list[ConsumerRecord] = []
    try:
        partitions = [TopicPartition(topic, number) for number in (await incarnation_of(bootstrap, topic)).markers]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        async with asyncio.timeout(PATIENCE):
            quiet = 0
            while len(found) < count or quiet < 3:
                got = await consumer.getmany(timeout_ms=300)
                quiet = 0 if got else quiet + 1
                found += [message for batch in got.values() for message in batch if not is_marker(message)]
    finally:
        await consumer.stop()
    return found
