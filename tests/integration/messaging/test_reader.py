"""A reader gives every message that stands in its partitions, whatever stands between them."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import TopicPartition

from deploy.local.brokers.running import running
from deploy.local.brokers.topics import create_topics
from shared.messaging import reader as reading
from shared.messaging.broker import PARTITIONS
from shared.messaging.reader import Reader
from shared.messaging.topics import topic_of
from tests.faults.between import running_broker
from tests.faults.proxy import HOST, Trouble
from tests.integration.messaging.conftest import SOURCE
from tests.integration.messaging.malformed import NAMELESS, Message, batch_of, put
from tests.integration.messaging.working import PATIENCE

TOPIC = topic_of(SOURCE)
GZIP, SNAPPY, LZ4, ZSTD = range(1, 5)
UNHEARD_OF = Message(b"k", [("a", b"1"), (NAMELESS, b"2")], b"nobody reads this")

Found = dict[int, list[tuple[int, bytes | None]]]


def good(value: str) -> Message:
    return Message(b"k", [("position", b"1")], value.encode())


async def read(bootstrap: str, count: int, most: int, start: int = 0) -> Found:
    """Offset and value of what a reader gives, by partition, `most` at a time."""
    found: Found = {}
    async with Reader(bootstrap) as reader, asyncio.timeout(PATIENCE):
        reader.start({TopicPartition(TOPIC, number): start for number in range(3)})
        ends = await reader.ends()
        while sum(map(len, found.values())) < count or await reader.is_behind(ends):
            for at, messages in (await reader.some(most)).items():
                found.setdefault(at.partition, []).extend((each.offset, each.value) for each in messages)
    return found


@pytest.mark.parametrize("most", [1, 3, 1000])
async def test_what_cannot_be_decoded_comes_hollow_and_all_else_as_it_is(bootstrap: str, most: int) -> None:
    for piece in ([good("a"), good("b")], [good("c"), UNHEARD_OF, good("never"), good("seen")], [good("d")]):
        await put(bootstrap, TOPIC, batch_of(piece))
    await put(bootstrap, TOPIC, batch_of([UNHEARD_OF]), 2)
    await put(bootstrap, TOPIC, batch_of([good("e"), good("f")]), 1)
    await put(bootstrap, TOPIC, batch_of([UNHEARD_OF]), 2)
    await put(bootstrap, TOPIC, batch_of([good("g")]), 2)
    assert await read(bootstrap, 12, most) == {
        0: [(0, b"a"), (1, b"b"), (2, b"c"), (3, None), (4, None), (5, None), (6, b"d")],
        1: [(0, b"e"), (1, b"f")],
        2: [(0, None), (1, None), (2, b"g")],
    }


async def test_who_waits_shorter_than_an_answer_takes_goes_on_all_the_same(tmp_path: Path) -> None:
    """What came while nobody waited is thrown away with what cannot be decoded."""
    async with running_broker(tmp_path, "tansu") as proxy:
        bootstrap = f"{HOST}:{proxy.port}"
        await create_topics(bootstrap, (TOPIC,))
        for partition in range(3):
            await put(bootstrap, TOPIC, batch_of([good("a"), UNHEARD_OF, good("never")]), partition)
            await put(bootstrap, TOPIC, batch_of([good("b")]), partition)
        proxy.make(Trouble("delay", 1.5 * reading.WAIT_MS / 1000))
        expected = [(0, b"a"), (1, None), (2, None), (3, b"b")]
        assert await read(bootstrap, 12, 1000) == dict.fromkeys(range(3), expected)


async def test_of_many_partitions_the_one_that_holds_more_is_looked_at_first(tmp_path: Path) -> None:
    """Each of the others would be waited for in vain."""
    topics = [topic_of(f"quiet{number}") for number in range(6)]
    places = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
    async with running(tmp_path, "tansu", topics=topics) as broker, Reader(broker.bootstrap) as reader:
        reader.start(dict.fromkeys(places, 0))
        await reader.some(1000)
        await put(broker.bootstrap, topics[-1], batch_of([UNHEARD_OF]), PARTITIONS - 1)
        found = [await reader.some(1000) for _ in range(len(places) // 2)]
    assert [(each.offset, each.value) for batches in found for each in batches.get(places[-1], ())] == [(0, None)]


async def test_reading_begins_where_it_is_told_to_even_behind_what_cannot_be_decoded(bootstrap: str) -> None:
    for piece in ([good("a"), UNHEARD_OF, good("never")], [good("b")]):
        await put(bootstrap, TOPIC, batch_of(piece))
    assert await read(bootstrap, 2, 1000, start=2) == {0: [(2, None), (3, b"b")]}


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
async def test_what_somebody_compressed_is_read(bootstrap: str, codec: int) -> None:
    await put(bootstrap, TOPIC, batch_of([good("a" * 500), good("b" * 500)], codec))
    assert await read(bootstrap, 2, 1000) == {0: [(0, b"a" * 500), (1, b"b" * 500)]}
