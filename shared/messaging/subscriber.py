"""The subscriber: reads topics from where it stopped, one incarnation of the broker after the other.

One process of a service reads at a time, elected by a lease, and takes all partitions: a Kafka consumer group would
take 5 to 18 seconds to notice a killed member (docs/decisions/0002). Offsets are hints only, kept in `Bookmarks`, and
belong to one incarnation of the broker: a broker that came back empty is read from its beginning.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from shared.eventstore.interruptions import DATABASE
from shared.eventstore.lease import STANDBY_SECONDS, Lease
from shared.messaging.bookmarks import Bookmarks, Offsets
from shared.messaging.broker import ERRORS, Incarnation, close_consumer
from shared.messaging.topics import Unreadable, service_of
from shared.testing.fault_points import FaultPoint, reached

log = structlog.get_logger(__name__)

MAX_RECORDS = 500
CHECK_SECONDS = 1.0

Batches = Mapping[TopicPartition, Sequence[ConsumerRecord]]


class Subscriber(ABC):
    """Reads some topics. What is made of the messages has to be idempotent: any of them may come again."""

    def __init__(
        self, pool: asyncpg.Pool, lease: str, bookmarks: Bookmarks, topics: Sequence[str], bootstrap: str
    ) -> None:
        self._bookmarks = bookmarks
        self._topics = topics
        self._bootstrap = bootstrap
        self._incarnation = Incarnation(bootstrap)
        self._lease = Lease(pool, lease)

    @abstractmethod
    async def _take(self, batches: Batches, cluster: str) -> None:
        """Make of these messages what is to be made, and note the offsets where nothing of them is held in memory."""

    async def _begin(self) -> None:
        """Called before the first message after an interruption: nothing is held in memory."""
        return

    async def _check(self) -> None:
        """Called about once a second."""
        return

    async def run(self) -> None:
        """Consume until cancelled; start over whenever the broker goes away or comes back as another."""
        async with self._lease:
            try:
                await self._lease.repeat(self._turn, (*DATABASE, *ERRORS))
            finally:
                await self._incarnation.close()

    async def _turn(self) -> None:
        if await self._lease.held() is None:
            await asyncio.sleep(STANDBY_SECONDS)
        else:
            await self._live()

    async def _live(self) -> None:
        """Read one incarnation of the broker while we hold the lease."""
        cluster = await self._incarnation.current()
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            metadata_max_age_ms=5_000,
            request_timeout_ms=5_000,
            fetch_max_wait_ms=100,
        )
        try:
            await consumer.start()
            await self._begin()
            if not await self._assign(consumer, cluster):
                await asyncio.sleep(0.3)  # the topics are still being made; `getmany` without any would never return
                return
            check_at = asyncio.get_running_loop().time() + CHECK_SECONDS
            while await self._lease.held() is not None:
                batches = await consumer.getmany(timeout_ms=200, max_records=MAX_RECORDS)
                if batches:
                    reached(FaultPoint.RECEIVE_TAKEN)
                    await self._take(batches, cluster)
                if asyncio.get_running_loop().time() >= check_at:
                    if await self._incarnation.current() != cluster:
                        log.warning("broker_incarnation_changed")
                        return
                    await self._assign(consumer, cluster)
                    await self._check()
                    check_at = asyncio.get_running_loop().time() + CHECK_SECONDS
        finally:
            await close_consumer(consumer)

    async def _assign(self, consumer: AIOKafkaConsumer, cluster: str) -> bool:
        """Take every partition there is now, if any; one that was added later is read from its beginning."""
        await consumer.topics()
        partitions = {
            TopicPartition(topic, number)
            for topic in self._topics
            for number in consumer.partitions_for_topic(topic) or ()
        }
        if partitions == consumer.assignment():
            return bool(partitions)
        hints = await self._bookmarks.offsets(cluster)
        consumer.assign(sorted(partitions))
        for partition in partitions:
            consumer.seek(partition, hints.get((partition.topic, partition.partition), 0))
        return bool(partitions)

    async def _park(self, message: ConsumerRecord, error: Unreadable, cluster: str) -> None:
        name = (message.key or b"").decode(errors="replace")
        where = f"{cluster}/{message.topic}/{message.partition}/{message.offset}"
        reason = f"无法读取：{error}（{where}）"
        await self._bookmarks.park_unreadable(service_of(message.topic), name, message.value or b"", reason)


def offsets_after(batches: Batches) -> Offsets:
    """Where to read on when these messages have been taken."""
    return {(at.topic, at.partition): messages[-1].offset + 1 for at, messages in batches.items()}
