"""Reading whole topics, each partition from its beginning: for whoever rebuilds from Kafka alone.

While one answer is being made use of, the next is on its way. The broker is not asked where the end is, whose answer
cannot be leaned on everywhere: who reads knows what is lacking.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from aiokafka.errors import NoError, UnknownTopicOrPartitionError, for_code

from shared.messaging.batches import Batch, batches
from shared.messaging.incarnation import Incarnations, Partition, by_leader

WAIT_MS = 100
PARTITION_BYTES = 512 * 1024
"""What is asked of each partition at once. No batch is larger: the relay's hold 256 KiB, or one event of that."""
ANSWER_BYTES = 4 * PARTITION_BYTES
"""Large answers are copied more slowly than those that fit into a processor's cache."""
TURNS_TO_ASK = 5
"""Turns of the event loop until a question that has been begun is on its way to every leader."""

Fetched = tuple[str, bytes, list[Batch]]
"""A topic, bytes out of one of its partitions, and the batches in them."""


async def whole_topics(bootstrap: str, topics: Sequence[str]) -> AsyncGenerator[list[Fetched], None]:
    """What stands in topics, answer by answer, without end: an answer may be empty. Raises `ERRORS`."""
    asked = Incarnations(bootstrap)
    try:
        partitions = await asked.partitions(topics)
        if missing := set(topics) - {at.topic for at in partitions}:
            raise UnknownTopicOrPartitionError(*missing)
        offsets = dict.fromkeys(((at.topic, at.number) for at in partitions), 0)
        coming = asyncio.ensure_future(_fetch(asked, partitions, offsets))
        try:
            while True:
                found = await coming
                coming = asyncio.ensure_future(_fetch(asked, partitions, offsets))
                for _ in range(TURNS_TO_ASK):
                    await asyncio.sleep(0)
                yield found
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
    finally:
        await asked.close()


async def _fetch(
    asked: Incarnations, partitions: Sequence[Partition], offsets: dict[tuple[str, int], int]
) -> list[Fetched]:
    """One answer of each leader; `offsets` are moved behind what it holds."""
    questions = {
        leader: [
            (topic, [(at, offsets[topic, at], PARTITION_BYTES) for at in numbers]) for topic, numbers in led.items()
        ]
        for leader, led in by_leader(partitions).items()
    }
    answers = await asyncio.gather(
        *(asked.fetch(leader, wanted, WAIT_MS, ANSWER_BYTES) for leader, wanted in questions.items())
    )
    found: list[Fetched] = []
    for topic, numbers in (told for answer in answers for told in answer.topics):
        for number, code, *_, data in numbers:
            if code != NoError.errno:
                raise for_code(code)()
            if whole := list(batches(data or b"")):
                offsets[topic, number] = whole[-1].next_offset
                found.append((topic, data, whole))
    return found
