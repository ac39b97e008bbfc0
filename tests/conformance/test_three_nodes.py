"""Three nodes, each with a copy of everything, two in sync: one may die or freeze, and nobody has to publish again."""

import os
import signal
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from deploy.local.brokers.running import Running
from shared.messaging.incarnation import marker_headers
from tests.brokers import Brokers
from tests.conformance.city import ONCE, City
from tests.conformance.conftest import TOPIC
from tests.faults.report import Result, keep
from tests.integration.messaging.working import at_work, incarnation_of

pytestmark = pytest.mark.full

NODES = range(3)


@pytest.fixture
async def three(brokers: Brokers) -> AsyncIterator[Running]:
    async with brokers.with_topics("apache:3", TOPIC) as running:
        yield running


async def test_each_topic_has_three_copies_two_of_them_in_sync(three: Running) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=three.bootstrap)
    await client.start()
    try:
        [described] = await client.describe_topics([TOPIC])
        [answer] = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, TOPIC)])
    finally:
        await client.close()
    assert all(sorted(partition["replicas"]) == [1, 2, 3] for partition in described["partitions"])
    [(_, _, _, _, entries)] = answer.resources
    assert {entry[0]: entry[1] for entry in entries}["min.insync.replicas"] == "2"


@pytest.mark.parametrize("node", NODES)
async def test_one_that_is_killed_is_done_without(node: int, three: Running, city: City) -> None:
    serving = at_work(city.relay(three.bootstrap).run(), city.consumer(three.bootstrap).run())
    async with serving as working, city.under_load(working) as load:
        await load.goes_on()
        before = await city.incarnation()
        await three.kill(node)
        await load.goes_on()
        await three.start((TOPIC,))
        await load.goes_on()
    assert await city.incarnation() == before
    await city.is_whole(load.head)
    keep(Result("`kill -9` under load", "one of three Kafka nodes", 1, ONCE, ""))


@pytest.mark.parametrize("node", NODES)
async def test_one_that_is_frozen_is_done_without(node: int, three: Running, city: City) -> None:
    """To the others, and to its clients, it is away behind a network that answers nothing."""
    serving = at_work(city.relay(three.bootstrap).run(), city.consumer(three.bootstrap).run())
    async with serving as working, city.under_load(working) as load:
        await load.goes_on()
        before = await city.incarnation()
        os.kill(three.process(node), signal.SIGSTOP)
        try:
            await load.goes_on()
        finally:
            os.kill(three.process(node), signal.SIGCONT)
        await load.goes_on()
    assert await city.incarnation() == before
    await city.is_whole(load.head)
    keep(Result("frozen under load", "one of three Kafka nodes", 1, ONCE, ""))


async def test_one_alone_acknowledges_nothing_and_all_is_there_when_the_others_are_back(
    three: Running, city: City
) -> None:
    """What was not acknowledged may be there all the same: what is sent is a marker, which is passed over."""
    async with at_work(city.relay(three.bootstrap).run(), city.consumer(three.bootstrap).run()) as working:
        await city.applied(await city.write(6, 60), working)
        before = await city.incarnation()
        producer = AIOKafkaProducer(bootstrap_servers=three.bootstrap, acks="all", request_timeout_ms=3000)
        await producer.start()
        await three.kill(0)
        await three.kill(1)
        with pytest.raises(KafkaError):
            await producer.send_and_wait(TOPIC, b"", partition=0, headers=marker_headers())
        await producer.stop()
        head = await city.write(6, 60)
        await three.start((TOPIC,))
        await city.applied(head, working)
    assert await city.incarnation() == before
    assert (await incarnation_of(three.bootstrap, TOPIC)).empty == []
    await city.is_whole(head)
    outcome = f"the third acknowledges nothing; once they are back, {ONCE}"
    keep(Result("`kill -9`", "two of three Kafka nodes", 1, outcome, ""))
