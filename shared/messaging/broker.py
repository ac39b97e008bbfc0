"""The broker's incarnation: which life of which cluster we are talking to."""

import asyncio

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

from shared.telemetry.errors import describe

log = structlog.get_logger(__name__)

PARTITIONS = 4
ERRORS = (KafkaError, OSError, asyncio.TimeoutError, AssertionError)
"""What a broker that is away looks like through aiokafka; it asserts where a connection vanishes under it."""


class Incarnation:
    """Asks the broker for its cluster id. Offsets and published positions belong to one incarnation only."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._admin: AIOKafkaAdminClient | None = None

    async def current(self) -> str:
        """The cluster id now. Raises one of `ERRORS` when the broker is away."""
        try:
            async with asyncio.timeout(5):
                if self._admin is None:
                    admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap, request_timeout_ms=3000)
                    try:
                        await admin.start()
                    except BaseException:
                        await admin.close()
                        raise
                    self._admin = admin
                return str((await self._admin.describe_cluster())["cluster_id"])
        except ERRORS:
            await self.close()
            raise

    async def close(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            await admin.close()


async def ensure_topics(
    bootstrap: str, topics: list[str], *, partitions: int = PARTITIONS, replication: int = 1
) -> None:
    """Create the topics that are missing. Retention is without end; nothing is compacted."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        missing = [topic for topic in topics if topic not in set(await admin.list_topics())]
        configs = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
        if missing:
            await admin.create_topics(
                [NewTopic(topic, partitions, replication, topic_configs=configs) for topic in missing]
            )
    except TopicAlreadyExistsError:
        pass
    finally:
        await admin.close()


async def close_consumer(consumer: AIOKafkaConsumer) -> None:
    """Close a consumer of a broker that may be away.

    aiokafka 0.14 cancels its pending fetches and awaits them; one that paused before its next try lets its
    CancelledError out of `stop()`. It would end our task as if we had been told to, and the service would be deaf.
    """
    try:
        async with asyncio.timeout(5):
            await consumer.stop()
    except asyncio.CancelledError:
        await consumer._client.close()
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
    except ERRORS as error:
        log.info("consumer_not_closed", error=describe(error))
