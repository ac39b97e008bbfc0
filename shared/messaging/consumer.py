"""The consumer: reads other services' topics into the inbox.

Kafka's offsets are hints only, and belong to one incarnation of the broker: the group's name carries the cluster id,
so a broker that came back empty is read from its beginning. What counts is the inbox.
"""

import asyncio
from collections.abc import Sequence

import structlog
from aiokafka import AIOKafkaConsumer

from shared.eventstore.interruptions import DATABASE
from shared.messaging.broker import ERRORS, Incarnation
from shared.messaging.inbox import Inbox
from shared.messaging.topics import Delivered, Unreadable, read_message, service_of, topic_of
from shared.telemetry.traces import batch_span

log = structlog.get_logger(__name__)

MAX_RECORDS = 500
INCARNATION_SECONDS = 1.0


class Consumer:
    def __init__(self, inbox: Inbox, group: str, sources: Sequence[str], bootstrap: str) -> None:
        self._inbox = inbox
        self._group = group
        self._topics = [topic_of(source) for source in sources]
        self._bootstrap = bootstrap
        self._incarnation = Incarnation(bootstrap)

    async def run(self) -> None:
        """Consume until cancelled; start over whenever the broker goes away or comes back as another."""
        try:
            while True:
                try:
                    await self._live()
                except (*DATABASE, *ERRORS) as error:
                    log.warning("consumer_interrupted", error=repr(error))
                    await asyncio.sleep(0.3)
        finally:
            await asyncio.shield(self._incarnation.close())

    async def _live(self) -> None:
        cluster = await self._incarnation.current()
        consumer = AIOKafkaConsumer(
            *self._topics,
            bootstrap_servers=self._bootstrap,
            group_id=f"{self._group}.{cluster}",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            max_poll_interval_ms=60_000,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=1_000,
            metadata_max_age_ms=5_000,
            fetch_max_wait_ms=100,
        )
        try:
            await consumer.start()
            ask_at = asyncio.get_running_loop().time() + INCARNATION_SECONDS
            while True:
                batches = await consumer.getmany(timeout_ms=200, max_records=MAX_RECORDS)
                if batches:
                    await self._take(batches)
                    await consumer.commit()
                if asyncio.get_running_loop().time() >= ask_at:
                    if await self._incarnation.current() != cluster:
                        log.warning("broker_incarnation_changed")
                        return
                    ask_at = asyncio.get_running_loop().time() + INCARNATION_SECONDS
        finally:
            try:
                async with asyncio.timeout(5):
                    await consumer.stop()
            except ERRORS as error:
                log.info("consumer_not_closed", error=repr(error))

    async def _take(self, batches: dict[object, list[object]]) -> None:
        batch: list[Delivered] = []
        for messages in batches.values():
            for message in messages:
                topic, key, value = message.topic, message.key, message.value  # type: ignore[attr-defined]
                try:
                    batch.append(read_message(topic, message.headers, value))  # type: ignore[attr-defined]
                except Unreadable as error:
                    name = (key or b"").decode(errors="replace")
                    await self._inbox.park_unreadable(service_of(topic), name, value or b"", str(error))
        if batch:
            with batch_span("inbox process", "consumer", [item.record.traceparent for item in batch]):
                await self._inbox.take(batch)
