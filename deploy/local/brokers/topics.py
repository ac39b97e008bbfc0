"""Our topics on a broker, as deploy/kafka/topics.yaml explains them."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import Sequence
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import InvalidReplicationFactorError, KafkaError, TopicAlreadyExistsError, for_code

from deploy.local import processes
from deploy.local.brokers.node import BrokerFailed
from deploy.local.settings import SERVICES
from shared.messaging.broker import ERRORS, PARTITIONS
from shared.messaging.incarnation import Incarnations
from shared.messaging.topics import HEADS, topic_of

TOPICS = (*map(topic_of, SERVICES), HEADS)
MOST_COPIES = 3
LED_SECONDS = 10.0
CONFIGURATION = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
"""As deploy/kafka/topics.yaml explains; one broker may fail, hence copies less one as the least in sync."""


class BrokerAway(BrokerFailed):
    """The broker does not answer, or not all of it is there yet."""


async def create_topics(bootstrap: str, topics: Sequence[str] = TOPICS, *, copies: int | None = None) -> None:
    """Create what is missing of `topics`: 4 partitions, kept without end, not compacted.

    `copies`: on how many brokers; None: on all that are there, at most three. Raises BrokerAway, or BrokerFailed when a
    topic is there with fewer partitions. More are no harm: what counts is the position, not the partition.
    """
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    try:
        await client.start()
        try:
            described = {topic["topic"]: topic for topic in await client.describe_topics(list(topics))}
            missing = [topic for topic in topics if described[topic]["error_code"] != 0]
            for topic in set(topics) - set(missing):
                if (found := len(described[topic]["partitions"])) < PARTITIONS:
                    raise BrokerFailed(f"topic {topic} has {found} partitions, not {PARTITIONS}")
            if missing:
                await _create(client, bootstrap, missing, copies)
                await _until_led(bootstrap, missing)
        finally:
            await client.close()
    except ERRORS as failure:
        raise BrokerAway(f"the broker at {bootstrap} does not answer as Kafka: {failure!r}") from failure


async def create_when_up(
    bootstrap: str, process: Process, log: Path, topics: Sequence[str] = TOPICS, *, copies: int
) -> None:
    """As `create_topics`, as long as it takes until the broker that `process` is one of can do so."""
    while True:
        try:
            return await create_topics(bootstrap, topics, copies=copies)
        except BrokerAway as away:
            if process.returncode is not None:
                raise BrokerFailed(f"the broker ended with {process.returncode}\n{processes.tail(log)}") from away
            await asyncio.sleep(0.1)


async def _create(client: AIOKafkaAdminClient, bootstrap: str, missing: Sequence[str], copies: int | None) -> None:
    if copies is None:
        copies = min(MOST_COPIES, len((await client.describe_cluster())["brokers"]))
    configuration = {**CONFIGURATION, "min.insync.replicas": str(max(1, copies - 1))}
    wanted = [NewTopic(topic, PARTITIONS, copies, topic_configs=configuration) for topic in missing]
    answer = await client.create_topics(wanted)
    for topic, code, *_ in answer.topic_errors:
        if code == InvalidReplicationFactorError.errno:
            raise BrokerAway(f"topic {topic} needs {copies} brokers at {bootstrap}")
        if code not in (0, TopicAlreadyExistsError.errno):
            raise BrokerFailed(f"topic {topic} cannot be created on {bootstrap}: {for_code(code).__name__}")


async def _until_led(bootstrap: str, topics: Sequence[str]) -> None:
    """Return when every partition can be written to and read. Raises `ERRORS` when that takes too long."""
    asked = Incarnations(bootstrap)
    try:
        async with asyncio.timeout(LED_SECONDS):
            while True:
                try:
                    found = await asked.of(topics)
                except KafkaError:
                    found = {}
                if found and all(incarnation.markers for incarnation in found.values()):
                    return
                await asyncio.sleep(0.02)
    finally:
        await asked.close()
