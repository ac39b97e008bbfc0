"""What we need of a broker, as a client sees it: the same of Tansu and of Apache Kafka."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from deploy.local.brokers.running import Running
from deploy.local.brokers.topics import CONFIGURATION, create_topics
from shared.messaging.broker import PARTITIONS
from shared.messaging.incarnation import Incarnation, Incarnations, is_marker, marker_headers
from tests.brokers import empty
from tests.conformance.conftest import TOPIC
from tests.integration.messaging.working import PATIENCE, in_kafka, incarnation_of

LARGEST = 256 * 1024
"""Bytes of the largest event."""
ODD = [
    (b"clm_1", "记录".encode(), [("ce_type", b"subsidy.ClaimSubmitted.v1"), ("position", b"1")]),
    (b"clm_1", b"\x00\xff\x00", []),
    (None, b"no key", [("twice", b"1"), ("twice", b"2"), ("nothing", b""), ("钥匙", b"\xff")]),
    (b"", b"an empty key", []),
    (b"no value", None, [("position", b"2")]),
    (b"large", random.Random(1).randbytes(LARGEST), []),
]


@asynccontextmanager
async def producing(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=0)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def administering(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def test_what_is_acknowledged_is_read_back_byte_for_byte(broker: Running) -> None:
    async with producing(broker.bootstrap) as producer:
        for key, value, headers in ODD:
            await producer.send_and_wait(TOPIC, value, key=key, headers=headers, partition=2)
    found = await in_kafka(broker.bootstrap, TOPIC, len(ODD))
    assert [(m.key, m.value, list(m.headers)) for m in found] == ODD
    assert [(m.partition, m.offset) for m in found] == [(2, number) for number in range(len(ODD))]


async def test_messages_of_a_key_stay_in_order_in_one_partition_however_they_are_gathered(broker: Running) -> None:
    keys = [f"clm_{number}".encode() for number in range(12)]
    async with producing(broker.bootstrap) as producer:
        sent = [await producer.send(TOPIC, str(n).encode(), key=keys[n % len(keys)]) for n in range(1200)]
        await asyncio.gather(*sent)
    found = await in_kafka(broker.bootstrap, TOPIC, 1200)
    assert len(found) == 1200
    by_key: dict[bytes, list[ConsumerRecord]] = defaultdict(list)
    for message in found:
        by_key[message.key].append(message)
    assert len({message.partition for message in found}) == PARTITIONS
    for key, messages in by_key.items():
        assert len({message.partition for message in messages}) == 1
        assert [int(m.value) for m in messages] == list(range(keys.index(key), 1200, len(keys)))


async def test_reading_goes_on_where_it_is_told_to(broker: Running) -> None:
    async with producing(broker.bootstrap) as producer:
        for number in range(5):
            await producer.send_and_wait(TOPIC, b"%d" % number, partition=1)
        place = TopicPartition(TOPIC, 1)
        consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, enable_auto_commit=False)
        await consumer.start()
        try:
            consumer.assign([place])
            consumer.seek(place, 3)
            found = [await consumer.getone() for _ in range(2)]
            await producer.send_and_wait(TOPIC, b"5", partition=1)
            found.append(await consumer.getone())
        finally:
            await consumer.stop()
    assert [(m.offset, m.value) for m in found] == [(3, b"3"), (4, b"4"), (5, b"5")]


async def test_a_topic_that_nobody_made_is_not_there(broker: Running) -> None:
    asked = Incarnations(broker.bootstrap)
    found = await asked.of(["huchuang.mistyped.events", TOPIC])
    await asked.close()
    assert found["huchuang.mistyped.events"].markers == {}
    assert len(found[TOPIC].markers) == PARTITIONS


async def test_a_mistyped_topic_does_not_come_to_be_by_writing_to_it(apache: Running) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=apache.bootstrap, request_timeout_ms=1000)
    await producer.start()
    try:
        with pytest.raises(KafkaError):
            await producer.send_and_wait("huchuang.mistyped.events", b"1")
    finally:
        await producer.stop()
    async with administering(apache.bootstrap) as client:
        assert "huchuang.mistyped.events" not in await client.list_topics()


async def test_topics_keep_everything_without_end(apache: Running) -> None:
    """Tansu keeps everything as long as it lives, and describes no configuration."""
    async with administering(apache.bootstrap) as client:
        [answer] = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, TOPIC)])
    [(code, _, _, name, entries)] = answer.resources
    assert (code, name) == (0, TOPIC)
    kept = {entry[0]: entry[1] for entry in entries}
    assert {key: kept[key] for key in CONFIGURATION} == CONFIGURATION
    assert kept["min.insync.replicas"] == "1"


async def test_creating_topics_again_changes_nothing(broker: Running) -> None:
    async with producing(broker.bootstrap) as producer:
        await producer.send_and_wait(TOPIC, b"1", partition=0)
    before = await incarnation_of(broker.bootstrap, TOPIC)
    await create_topics(broker.bootstrap, (TOPIC,))
    assert await incarnation_of(broker.bootstrap, TOPIC) == before


def member(bootstrap: str, group: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=500,
    )


async def take(consumer: AIOKafkaConsumer, count: int) -> list[int]:
    found: list[int] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            batches = await consumer.getmany(timeout_ms=300)
            found += [int(message.value) for batch in batches.values() for message in batch]
    return found


async def test_a_member_of_a_group_takes_over_where_the_last_one_committed(broker: Running) -> None:
    """We elect by leases in the database (docs/decisions/0002); others who read our topics use groups."""
    async with producing(broker.bootstrap) as producer:
        await asyncio.gather(*[await producer.send(TOPIC, b"%d" % n, partition=n % 4) for n in range(40)])
        first = member(broker.bootstrap, "conformance")
        await first.start()
        try:
            assert sorted(await take(first, 40)) == list(range(40))
            await first.commit()
        finally:
            await first.stop()
        await asyncio.gather(*[await producer.send(TOPIC, b"%d" % n, partition=n % 4) for n in range(40, 60)])
        second = member(broker.bootstrap, "conformance")
        await second.start()
        try:
            assert sorted(await take(second, 20)) == list(range(40, 60))
        finally:
            await second.stop()


async def mark(bootstrap: str, partitions: Sequence[int]) -> None:
    async with producing(bootstrap) as producer:
        for number in partitions:
            await producer.send_and_wait(TOPIC, b"", partition=number, headers=marker_headers())


async def test_a_marker_tells_a_partition_from_the_same_one_made_again(broker: Running) -> None:
    bootstrap = broker.bootstrap
    fresh = await incarnation_of(bootstrap, TOPIC)
    assert fresh.empty == list(range(PARTITIONS))
    await mark(bootstrap, range(PARTITIONS))
    marked = await incarnation_of(bootstrap, TOPIC)
    assert marked.empty == []
    assert len(set(marked.markers.values())) == PARTITIONS
    assert marked.continues(fresh)
    async with producing(bootstrap) as producer:
        for number in range(PARTITIONS):
            await producer.send_and_wait(TOPIC, b"an event", partition=number)
            await producer.send_and_wait(TOPIC, b"", partition=number, headers=marker_headers())
    assert await incarnation_of(bootstrap, TOPIC) == marked
    await empty(bootstrap, TOPIC)
    emptied = await incarnation_of(bootstrap, TOPIC)
    assert emptied == fresh  # of the same cluster, and nothing stands in it
    assert not emptied.continues(marked)
    await mark(bootstrap, range(PARTITIONS))
    assert not (await incarnation_of(bootstrap, TOPIC)).continues(marked)


async def test_any_message_serves_as_a_marker_however_large_the_first_batch_is(broker: Running) -> None:
    async with producing(broker.bootstrap) as producer:
        for number in range(PARTITIONS):
            await asyncio.gather(*[await producer.send(TOPIC, b"x" * LARGEST, partition=number) for _ in range(2)])
    first = await incarnation_of(broker.bootstrap, TOPIC)
    assert first.empty == []
    assert await incarnation_of(broker.bootstrap, TOPIC) == first
    assert not any(map(is_marker, await in_kafka(broker.bootstrap, TOPIC, 2 * PARTITIONS)))


async def test_a_partition_that_is_added_belongs_to_the_same_life(apache: Running) -> None:
    await mark(apache.bootstrap, range(PARTITIONS))
    before = await incarnation_of(apache.bootstrap, TOPIC)
    async with administering(apache.bootstrap) as client:
        await client.create_partitions({TOPIC: NewPartitions(PARTITIONS + 2)})
    after = await with_partitions(apache.bootstrap, PARTITIONS + 2)
    assert after.continues(before)
    assert not before.continues(after)
    assert after.empty == [PARTITIONS, PARTITIONS + 1]


async def with_partitions(bootstrap: str, count: int) -> Incarnation:
    async with asyncio.timeout(PATIENCE):
        while len((found := await incarnation_of(bootstrap, TOPIC)).markers) < count:
            await asyncio.sleep(0.05)
    return found


async def test_the_cluster_has_an_id_that_a_restart_keeps_where_the_data_are_kept(broker: Running, choice: str) -> None:
    await mark(broker.bootstrap, range(PARTITIONS))
    before = await incarnation_of(broker.bootstrap, TOPIC)
    await broker.kill()
    await broker.start((TOPIC,))
    after = await incarnation_of(broker.bootstrap, TOPIC)
    assert (after == before) == (choice == "apache")
    assert (after.cluster == before.cluster) == (choice == "apache")
