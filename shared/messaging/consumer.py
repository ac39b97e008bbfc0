"""The consumer: reads other services' topics into the inbox.

One process of a service reads at a time, elected by a lease, and takes all partitions: a Kafka consumer group would
take 5 to 18 seconds to notice a killed member (docs/decisions/0002). Offsets are hints only. They are kept beside the
inbox and belong to one incarnation of the broker: a broker that came back empty is
read from its beginning. What counts is the inbox, and that each log is handed to it in order (`frontier.py`).
"""

import asyncio
from collections.abc import Mapping, Sequence

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from shared.eventstore.interruptions import DATABASE
from shared.eventstore.lease import Lease
from shared.messaging.broker import ERRORS, Incarnation, close_consumer
from shared.messaging.frontier import Frontier, UnknownLog
from shared.messaging.inbox import Inbox, Offsets
from shared.messaging.topics import Unreadable, read_message, service_of, topic_of
from shared.telemetry.errors import describe
from shared.telemetry.traces import batch_span
from shared.testing.fault_points import FaultPoint, reached

log = structlog.get_logger(__name__)

MAX_RECORDS = 500
CHECK_SECONDS = 1.0
SKIP_SECONDS = 10.0


class Consumer:
    def __init__(self, pool: asyncpg.Pool, inbox: Inbox, sources: Sequence[str], bootstrap: str) -> None:
        self._inbox = inbox
        self._topics = [topic_of(source) for source in sources]
        self._bootstrap = bootstrap
        self._incarnation = Incarnation(bootstrap)
        self._lease = Lease(pool, "consumer")
        self._unreadable: dict[tuple[str, int], float] = {}
        self.refused: set[str] = set()
        """Sources whose log is not the one we know: nothing of theirs is applied until `huchuang reconcile`."""

    async def run(self) -> None:
        """Consume until cancelled; start over whenever the broker goes away or comes back as another."""
        try:
            while True:
                try:
                    if await self._lease.held() is None:
                        await asyncio.sleep(0.2)
                        continue
                    await self._live()
                except (*DATABASE, *ERRORS) as error:
                    log.warning("consumer_interrupted", error=describe(error))
                    self._lease.lost()
                    await asyncio.sleep(0.3)
        finally:
            await asyncio.shield(self._retire())

    async def _retire(self) -> None:
        await self._incarnation.close()
        try:
            await self._lease.give_up()
        except DATABASE as error:
            log.info("lease_not_given_up", error=describe(error))

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
            frontier = Frontier(await self._inbox.watermarks())
            if not await self._assign(consumer, cluster):
                await asyncio.sleep(0.3)  # the topics are still being made; `getmany` without any would never return
                return
            check_at = asyncio.get_running_loop().time() + CHECK_SECONDS
            while await self._lease.held() is not None:
                batches = await consumer.getmany(timeout_ms=200, max_records=MAX_RECORDS)
                if batches:
                    reached(FaultPoint.RECEIVE_TAKEN)
                    await self._take(batches, cluster, frontier)
                if asyncio.get_running_loop().time() >= check_at:
                    if await self._incarnation.current() != cluster:
                        log.warning("broker_incarnation_changed")
                        return
                    await self._assign(consumer, cluster)
                    await self._skip_unreadable(frontier)
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
        hints = await self._inbox.offsets(cluster)
        consumer.assign(sorted(partitions))
        for partition in partitions:
            consumer.seek(partition, hints.get((partition.topic, partition.partition), 0))
        return bool(partitions)

    async def _take(
        self, batches: Mapping[TopicPartition, Sequence[ConsumerRecord]], cluster: str, frontier: Frontier
    ) -> None:
        offsets: Offsets = {}
        for partition, messages in batches.items():
            offsets[partition.topic, partition.partition] = messages[-1].offset + 1
            for message in messages:
                try:
                    frontier.offer(read_message(message.topic, message.headers, message.value))
                except Unreadable as error:
                    await self._park_unreadable(message, error, cluster, frontier)
                except UnknownLog as error:
                    self.refused.add(error.source)
        batch = frontier.ready()
        if batch:
            with batch_span("inbox process", "consumer", [item.record.traceparent for item in batch]):
                await self._inbox.take(batch)
        if frontier.waiting == 0 and not self.refused:
            # Offsets are noted only when nothing waits in memory: what waits would not be read again.
            await self._inbox.note_offsets(cluster, offsets)

    async def _park_unreadable(
        self, message: ConsumerRecord, error: Unreadable, cluster: str, frontier: Frontier
    ) -> None:
        name = (message.key or b"").decode(errors="replace")
        source = service_of(message.topic)
        where = f"{cluster}/{message.topic}/{message.partition}/{message.offset}"
        await self._inbox.park_unreadable(source, name, message.value or b"", f"无法读取：{error}（{where}）")
        if error.position is not None:
            self._unreadable.setdefault((source, error.position), asyncio.get_running_loop().time() + SKIP_SECONDS)

    async def _skip_unreadable(self, frontier: Frontier) -> None:
        """Stop waiting for positions that stayed unreadable: a good record of that position would have come by now."""
        now = asyncio.get_running_loop().time()
        for (source, position), at in list(self._unreadable.items()):
            log_id = frontier.log_of(source)
            if at <= now and log_id is not None:
                del self._unreadable[source, position]
                if frontier.waits_for(source, position):
                    await self._inbox.skip(source, log_id, position)
                    frontier.skip(source, position)
        if batch := frontier.ready():
            await self._inbox.take(batch)
