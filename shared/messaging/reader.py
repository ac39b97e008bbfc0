"""Reading partitions from where one is told to, over what stands there, whatever that is.

aiokafka gives up at a header whose name is not UTF-8, which Kafka takes and other producers send, and whoever asks
again gets no message of that batch at all, nor those before it that had been unpacked with it. Here such a message
comes as one without key, value and headers, which is how those who read park it; all others come as they are.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import UnsupportedCodecError
from aiokafka.structs import ConsumerRecord

from shared.messaging.broker import METADATA_MS, close_consumer

UNDECODABLE = (UnicodeDecodeError, UnsupportedCodecError)
"""What aiokafka says of a batch that it will never unpack, however often it is asked."""
WAIT_MS = 200
BY_ONE_SECONDS = 1.0

Batches = Mapping[TopicPartition, Sequence[ConsumerRecord]]


class Reader:
    """Reads from `start` on: of each partition everything once, in order. Its methods raise `ERRORS`.

    Use as `async with`; only one task may ask at a time.
    """

    def __init__(self, bootstrap: str) -> None:
        self._next: dict[TopicPartition, int] = {}
        """The offset behind what was given, by partition."""
        self._turns: deque[TopicPartition] = deque()
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            metadata_max_age_ms=METADATA_MS,
            request_timeout_ms=5_000,
            fetch_max_wait_ms=100,
        )

    async def __aenter__(self) -> Self:
        try:
            await self._consumer.start()
        except BaseException:
            await close_consumer(self._consumer)
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await close_consumer(self._consumer)

    def start(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read these partitions, each from this offset on; one that is out of its range means the beginning."""
        self._next = dict(offsets)
        self._turns = deque(offsets)
        self._consumer.assign(list(offsets))
        self._seek(offsets)

    async def some(self, most: int) -> Batches:
        """What has come, at most so many messages; nothing when nothing comes for a while."""
        try:
            found: Batches = await self._consumer.getmany(timeout_ms=WAIT_MS, max_records=most)
        except UNDECODABLE:
            found = await self._some_by_one(most)
        self._next |= {at: messages[-1].offset + 1 for at, messages in found.items()}
        return found

    async def ends(self) -> Mapping[TopicPartition, int]:
        """Where each partition ends, as the broker states it."""
        ends: Mapping[TopicPartition, int] = await self._consumer.end_offsets(list(self._next))
        return ends

    async def is_behind(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether something that stands before these ends has not been read."""
        return any([await self._consumer.position(at) < end for at, end in ends.items()])

    async def _some_by_one(self, most: int) -> Batches:
        """Some messages of one partition, each time of another: which holds what cannot be decoded is not told."""
        self._seek(self._next)  # what was unpacked together with that has not been given
        self._turns.rotate(-1)
        found = await self._by_one(self._turns[0], most)
        return {self._turns[0]: found} if found else {}

    async def _by_one(self, at: TopicPartition, most: int) -> Sequence[ConsumerRecord]:
        """As many as come in a second: who reads has a lease to renew."""
        found: list[ConsumerRecord] = []
        loop = asyncio.get_running_loop()
        until = loop.time() + BY_ONE_SECONDS
        while len(found) < most and loop.time() < until:
            try:
                batches = await self._consumer.getmany(at, timeout_ms=WAIT_MS, max_records=1)
            except UNDECODABLE:
                offset = await self._consumer.position(at)
                self._seek({at: offset + 1})
                found.append(_hollow(at, offset))
            else:
                if not batches:
                    break
                found += batches[at]
        return found

    def _seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        for at, offset in offsets.items():
            self._consumer.seek(at, offset)


def _hollow(at: TopicPartition, offset: int) -> ConsumerRecord:
    """Stands for a message that cannot be decoded."""
    return ConsumerRecord(at.topic, at.partition, offset, -1, -1, None, None, None, -1, -1, ())
