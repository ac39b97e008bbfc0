"""Reading partitions from where one is told to, over what nobody can unpack.

aiokafka gives up at a header whose name is not UTF-8, which Kafka takes and other producers send, and whoever asks
again gets no message of that batch at all, nor those before it that had been unpacked with it. Here such a message
comes hollow, without key, value and headers, which is how those who read park it; all others come as they are.
A batch whose check sum is wrong is asked for again.
"""

import asyncio
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from gzip import BadGzipFile
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import UnsupportedCodecError
from aiokafka.structs import ConsumerRecord
from cramjam import DecompressionError

from shared.messaging.broker import METADATA_MS, close_consumer

UNDECODABLE = (UnicodeDecodeError, UnsupportedCodecError, DecompressionError, BadGzipFile, EOFError, zlib.error)
"""What aiokafka says of a batch that it will never unpack, however often it is asked."""
WAIT_MS = 200
BY_ONE_SECONDS = 1.0
_NEVER = -1
"""The time stamp of no message."""

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
        """Read these partitions, each from this offset on; before what is still there, from its beginning."""
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
        at = next((at for at in self._turns if self._holds_more(at)), self._turns[0])
        self._turns.remove(at)
        self._turns.append(at)
        found = await self._by_one(at, most)
        return {at: found} if found else {}

    def _holds_more(self, at: TopicPartition) -> bool:
        """What the broker said when it was last asked for messages of a partition."""
        end: int | None = self._consumer.highwater(at)
        return end is not None and self._next[at] < end

    async def _by_one(self, at: TopicPartition, most: int) -> Sequence[ConsumerRecord]:
        """As many as come in a second: who reads has a lease to renew. For the first all of it may be waited."""
        found: list[ConsumerRecord] = []
        loop = asyncio.get_running_loop()
        until = loop.time() + BY_ONE_SECONDS
        while len(found) < most and loop.time() < until:
            wait = WAIT_MS if found else int((until - loop.time()) * 1000) + 1
            try:
                batches = await self._consumer.getmany(at, timeout_ms=wait, max_records=1)
            except UNDECODABLE:
                offset = await self._consumer.position(at)
                self._seek({at: offset + 1})
                found.append(hollow(at, offset))
            else:
                if not batches:
                    break
                found += batches[at]
        return found

    def _seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        for at, offset in offsets.items():
            self._consumer.seek(at, offset)


def is_hollow(message: ConsumerRecord) -> bool:
    """Whether a message stands for one that cannot be decoded: what is in that, nobody has seen."""
    return bool(message.timestamp == _NEVER and message.value is None)


def hollow(at: TopicPartition, offset: int) -> ConsumerRecord:
    """Stands for a message that cannot be decoded."""
    return ConsumerRecord(at.topic, at.partition, offset, _NEVER, -1, None, None, None, -1, -1, ())
