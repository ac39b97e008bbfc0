"""The brokers that tests are run against: one Apache Kafka for all of them, a Tansu for each."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import NoError, UnknownTopicOrPartitionError

from deploy.local.brokers import jars
from deploy.local.brokers.running import Running, running
from deploy.local.brokers.topics import create_topics

CHOICES = ("tansu", "apache")


def skip_without_apache() -> None:
    """Skip the test, visibly, where Apache Kafka cannot be run."""
    if (why := jars.missing()) is not None:
        if os.environ.get("CI"):
            pytest.fail(f"in CI nothing is skipped: {why}")
        pytest.skip(why)


class Brokers:
    """Starts what a test asks for. An Apache Kafka takes seconds to start, so it is kept, and its topics emptied."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._kept: dict[str, Running] = {}
        self._until_the_end = AsyncExitStack()

    @asynccontextmanager
    async def with_topics(self, choice: str, *topics: str) -> AsyncIterator[Running]:
        """A broker on which these topics are empty."""
        if choice == "tansu":
            directory = self.directory / f"tansu-{id(topics)}"
            async with running(directory, choice, topics=topics) as tansu:
                yield tansu
            return
        broker = await self._apache(choice)
        await broker.start(())
        await empty(broker.bootstrap, *topics)
        try:
            yield broker
        finally:
            await broker.start(())
            await remove(broker.bootstrap, *topics)

    async def _apache(self, choice: str) -> Running:
        if choice not in self._kept:
            skip_without_apache()
            place = self.directory / choice.replace(":", "-of-")
            self._kept[choice] = await self._until_the_end.enter_async_context(running(place, choice, topics=()))
        return self._kept[choice]

    async def close(self) -> None:
        await self._until_the_end.aclose()


async def empty(bootstrap: str, *topics: str) -> None:
    """Make topics that hold nothing, whatever they held before. The cluster stays the one that it was."""
    await remove(bootstrap, *topics)
    await create_topics(bootstrap, topics)


async def remove(bootstrap: str, *topics: str) -> None:
    """Delete those of the topics that are there."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    await client.start()
    try:
        answer = await client.delete_topics(list(topics))
        codes = {topic: code for topic, code, *_ in answer.topic_error_codes}
        assert set(codes.values()) <= {NoError.errno, UnknownTopicOrPartitionError.errno}, codes
        async with asyncio.timeout(10):
            while set(topics) & set(await client.list_topics()):
                await asyncio.sleep(0.02)
    finally:
        await client.close()
