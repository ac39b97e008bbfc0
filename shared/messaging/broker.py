"""What every one who talks to the broker has to know about aiokafka."""

import asyncio

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from shared.telemetry.errors import describe

log = structlog.get_logger(__name__)

PARTITIONS = 4
METADATA_MS = 2_000
"""How long a client believes who leads a partition: a node that is cut off from the others tells what it last knew."""
ERRORS = (KafkaError, OSError, asyncio.TimeoutError, AssertionError)
"""What a broker that is away looks like through aiokafka; it asserts where a connection vanishes under it."""


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
