"""What is written is carried and takes effect once, in order, whatever happens to the broker and to those who read."""

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from deploy.local.brokers.running import Running
from shared.messaging.broker import ERRORS, PARTITIONS
from shared.messaging.incarnation import Incarnation, Incarnations
from tests.brokers import Brokers, empty
from tests.conformance.city import ONCE, City
from tests.conformance.conftest import TOPIC
from tests.faults.report import Result, keep, on
from tests.integration.messaging.working import at_work, in_kafka, incarnation_of, until

MEMBERS = 8
"""Joins and leaves of the quick round, one every `TURN`."""
TURN = 1.0


async def test_a_broker_that_was_killed_goes_on_or_is_filled_again(broker: Running, choice: str, city: City) -> None:
    """Apache Kafka comes back with its data, and the relay goes on; Tansu comes back empty, and it starts over."""
    relay, consumer = city.relay(broker.bootstrap), city.consumer(broker.bootstrap)
    async with at_work(relay.run(), consumer.run()) as working:
        await city.applied(await city.write(3, 27), working)
        before = await city.incarnation()
        await broker.kill()
        await city.write(2, 8)  # while there is no broker at all
        await broker.start((TOPIC,))
        if choice == "tansu":
            await city.other_than(before, working)
        head = await city.write(1, 4)
        await city.applied(head, working)
        await city.published(head, working)
        held = await city.on_broker(broker.bootstrap, head)
    assert set(held) == set(range(1, head + 1))
    assert (await city.incarnation() == before) == (choice == "apache")
    await city.is_whole(head)
    found = "its data are there, the relay goes on" if choice == "apache" else "back empty, filled again"
    keep(Result("`kill -9`", on(choice, "broker"), 1, f"{found}; {ONCE}", ""))


async def lose_topic(broker: Running, directory: Path) -> None:
    await empty(broker.bootstrap, TOPIC)


async def lose_disk(broker: Running, directory: Path) -> None:
    """What remains is the cluster's id, which its storage is formatted with again."""
    await broker.kill()
    shutil.rmtree(directory / "apache" / "kafka" / "of-1" / "node-1" / "data")
    await broker.start((TOPIC,))


@pytest.mark.parametrize("lose", [lose_topic, lose_disk])
async def test_a_cluster_that_keeps_its_id_and_loses_its_data_is_filled_again(
    lose: Callable[[Running, Path], Awaitable[None]], apache: Running, brokers: Brokers, city: City
) -> None:
    bootstrap = apache.bootstrap
    async with at_work(city.relay(bootstrap).run(), city.consumer(bootstrap).run()) as working:
        await city.applied(await city.write(3, 27), working)
        before, incarnation = await incarnation_of(bootstrap, TOPIC), await city.incarnation()
        await lose(apache, brokers.directory)
        await city.other_than(incarnation, working)
        head = await city.write(2, 8)
        await city.applied(head, working)
        await city.published(head, working)
        held = await city.on_broker(bootstrap, head)
        after = await incarnation_of(bootstrap, TOPIC)
    assert after.cluster == before.cluster
    assert set(held) == set(range(1, head + 1))
    await city.is_whole(head)
    keep(Result("data lost, the cluster's id kept", on("apache", "broker"), 1, f"filled again; {ONCE}", ""))


async def test_a_topic_that_was_emptied_behind_a_hint_is_read_from_its_beginning(broker: Running, city: City) -> None:
    """It has grown past the offset that was noted: only its markers tell that this is not where reading stopped."""
    bootstrap = broker.bootstrap
    async with at_work(city.relay(bootstrap).run(), city.consumer(bootstrap).run()) as working:
        first = await city.write(4, 16)
        await city.applied(first, working)

        async def noted() -> bool:
            query = "select sum(next_offset) from consumer_offset"
            return bool(await city.pool.fetchval(query) == first + PARTITIONS)

        await until(noted, working)
    await empty(bootstrap, TOPIC)
    async with at_work(city.relay(bootstrap).run()) as working:
        head = await city.write(8, 120)
        await city.published(head, working)
    async with at_work(city.consumer(bootstrap).run()) as working:
        await city.applied(head, working)
    await city.is_whole(head)


class Undisturbed(Incarnations):
    """Does not show that a partition has no leader in its first moments, which would make a subscriber start over."""

    async def of(self, topics: Sequence[str]) -> dict[str, Incarnation]:
        while True:
            try:
                return await super().of(topics)
            except ERRORS:
                await asyncio.sleep(0.05)


async def test_more_partitions_lose_nothing_and_double_nothing(apache: Running, city: City) -> None:
    """Streams move to other partitions while they are written to; the order that counts is that of positions."""
    bootstrap = apache.bootstrap
    consumer = city.consumer(bootstrap)
    consumer._incarnations = Undisturbed(bootstrap)
    async with at_work(city.relay(bootstrap).run(), consumer.run()) as working:
        await city.applied(await city.write(12, 60), working)
        before = await city.incarnation()
        client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await client.start()
        await client.create_partitions({TOPIC: NewPartitions(PARTITIONS + 3)})
        await client.close()
        head = await city.write(12, 60)
        await city.other_than(before, working)
        head = await city.write(60, 60)  # so many that some are carried by the new partitions, whatever their names
        await city.applied(head, working)
        messages = await in_kafka(bootstrap, TOPIC, head)
    assert len(messages) == head  # nothing was published again
    assert max(message.partition for message in messages) >= PARTITIONS
    await city.is_whole(head)
    keep(Result("partitions added while streams are written", on("apache", "a topic"), 1, ONCE, ""))


async def test_a_partition_that_came_to_be_while_nobody_read_is_read(apache: Running, city: City) -> None:
    bootstrap = apache.bootstrap
    async with at_work(city.relay(bootstrap).run(), city.consumer(bootstrap).run()) as working:
        await city.applied(await city.write(4, 16), working)
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    await client.create_partitions({TOPIC: NewPartitions(PARTITIONS + 1)})
    await client.close()
    async with at_work(city.relay(bootstrap).run()) as working:
        head = await city.write(12, 60)
        await city.published(head, working)
    async with at_work(city.consumer(bootstrap).run()) as working:
        await city.applied(head, working)
    assert len(await in_kafka(bootstrap, TOPIC, head)) == head
    await city.is_whole(head)


async def come_and_go(city: City, choice: str, bootstrap: str, turns: int) -> None:
    """Every second somebody joins, and whoever has been there longest leaves: in turn politely, and without a word."""
    members: list[asyncio.Task[None]] = []
    async with at_work(city.relay(bootstrap).run()) as working:
        writing = asyncio.create_task(keep_writing(city, turns))
        for turn in range(turns):
            members.append(asyncio.create_task(city.consumer(bootstrap).run()))
            await asyncio.sleep(TURN)
            if len(members) > 2:
                leaving = members.pop(0)
                if turn % 4 == 3:
                    await forget_lease(city)
                leaving.cancel()
                await asyncio.gather(leaving, return_exceptions=True)
            assert not any(task.done() for task in (*members, *working))
        head = await writing
        behind = head - (await city.diary.watermark() or 0)
        print(f"{head} events, {behind} not applied when the last of {turns} had joined")
        await city.applied(head, (*members, *working))
    for task in members:
        task.cancel()
    await asyncio.gather(*members, return_exceptions=True)
    await city.is_whole(head)
    keep(Result("consumers joining and leaving every second", on(choice, "a topic"), turns, ONCE, ""))


async def forget_lease(city: City) -> None:
    """Whoever reads has to notice that the lease is no longer theirs, as after a freeze."""
    await city.pool.execute("update lease set expires_at = '-infinity' where name = 'consumer'")


async def keep_writing(city: City, turns: int) -> int:
    head = 0
    for _ in range(turns):
        head = await city.write(2, 6)
        await asyncio.sleep(TURN)
    return head


async def test_members_join_and_leave_every_second_and_progress_goes_on(
    broker: Running, choice: str, city: City
) -> None:
    await come_and_go(city, choice, broker.bootstrap, MEMBERS)


@pytest.mark.full
async def test_members_join_and_leave_for_a_minute(broker: Running, choice: str, city: City) -> None:
    await come_and_go(city, choice, broker.bootstrap, 60)


async def test_a_broker_that_is_frozen_for_a_while_is_waited_for(broker: Running, choice: str, city: City) -> None:
    async with at_work(city.relay(broker.bootstrap).run(), city.consumer(broker.bootstrap).run()) as working:
        await city.applied(await city.write(2, 8), working)
        os.kill(broker.process(), signal.SIGSTOP)
        try:
            head = await city.write(2, 8)
            await asyncio.sleep(8)  # longer than every time-out of relay and consumer
        finally:
            os.kill(broker.process(), signal.SIGCONT)
        await city.applied(head, working)
    await city.is_whole(head)
    keep(Result("frozen for 8 s", on(choice, "broker"), 1, ONCE, ""))
