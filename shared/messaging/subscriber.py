"""The subscriber: reads topics from where it stopped, one incarnation of the broker after the other.

One process of a service reads at a time, elected by a lease, and takes all partitions: a Kafka consumer group would
take 5 to 18 seconds to notice a killed member (docs/decisions/0002). Offsets are hints only, kept in `Bookmarks`, and
belong to one life of a partition: one that came back empty is read from its beginning.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

import asyncpg
import structlog
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from shared.eventstore.interruptions import DATABASE
from shared.eventstore.lease import STANDBY_SECONDS, Lease
from shared.messaging.bookmarks import Bookmarks, Lives, Offsets
from shared.messaging.broker import ERRORS
from shared.messaging.incarnation import Incarnation, Incarnations, is_marker
from shared.messaging.reader import Batches, Reader
from shared.messaging.topics import Unreadable, service_of
from shared.testing.fault_points import FaultPoint, reached

log = structlog.get_logger(__name__)

MAX_RECORDS = 1000
CHECK_SECONDS = 1.0

Incarnate = Mapping[str, Incarnation]
"""The incarnation of each topic."""


class Subscriber(ABC):
    """Reads some topics. What is made of the messages has to be idempotent: any of them may come again."""

    def __init__(
        self, pool: asyncpg.Pool, lease: str, bookmarks: Bookmarks, topics: Sequence[str], bootstrap: str
    ) -> None:
        self._bookmarks = bookmarks
        self._topics = topics
        self._bootstrap = bootstrap
        self._incarnations = Incarnations(bootstrap)
        self._lease = Lease(pool, lease)
        self._unnoted: Offsets = {}
        self._note_at = 0.0

    @abstractmethod
    async def _take(self, batches: Batches, lives: Lives) -> None:
        """Make of these messages what is to be made."""

    def _settled(self) -> bool:
        """Whether nothing that was taken is held in memory only: it would not be read again."""
        return True

    async def _begin(self) -> None:
        """Called before the first message after an interruption: nothing is held in memory."""
        return

    def _end(self) -> None:
        """Called when reading has ended: what was held in memory is worth nothing now."""
        return

    async def _check(self) -> None:
        """Called about once a second."""
        return

    async def run(self) -> None:
        """Consume until cancelled; start over whenever the broker goes away or comes back as another."""
        async with self._lease:
            try:
                await self._lease.repeat(self._turn, (*DATABASE, *ERRORS))
            finally:
                await self._incarnations.close()

    async def _turn(self) -> None:
        if await self._lease.held() is None:
            await asyncio.sleep(STANDBY_SECONDS)
        else:
            await self._live()

    async def _live(self) -> None:
        """Read one incarnation of the topics while we hold the lease."""
        known = await self._incarnations.of(self._topics)
        if not any(incarnation.markers for incarnation in known.values()):
            await asyncio.sleep(0.3)  # the topics are still being made
            return
        try:
            async with Reader(self._bootstrap) as reader:
                self._unnoted = {}
                await self._begin()
                await self._start(reader, known)
                await self._read(reader, known)
        finally:
            self._end()

    async def _read(self, reader: Reader, known: Incarnate) -> None:
        """Take what comes, until the lease or this incarnation of the topics is over.

        While one piece is being taken, which is mostly waiting for the database, the next is unpacked.
        """
        loop = asyncio.get_running_loop()
        check_at = loop.time() + CHECK_SECONDS
        coming = asyncio.ensure_future(reader.some(MAX_RECORDS))
        try:
            while await self._lease.held() is not None:
                batches = await coming
                coming = asyncio.ensure_future(reader.some(MAX_RECORDS))
                if batches:
                    reached(FaultPoint.RECEIVE_TAKEN)
                    await self._take(batches, _lives(known))
                    self._unnoted |= offsets_after(batches)
                    await self._note(_lives(known))
                if loop.time() >= check_at:
                    now = await self._incarnations.of(self._topics)
                    if not all(now[topic].continues(known[topic]) for topic in self._topics):
                        log.warning("broker_incarnation_changed")
                        return
                    if _places(now) != _places(known):
                        log.info("partitions_changed")
                        return
                    known = now
                    await self._check()
                    await self._note(_lives(known))
                    check_at = loop.time() + CHECK_SECONDS
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def _start(self, reader: Reader, known: Incarnate) -> None:
        """Take every partition there is now; one that nothing is noted of in this life is read from its beginning."""
        hints = await self._bookmarks.offsets(_lives(known))
        reader.start({place: hints.get((place.topic, place.partition), 0) for place in _places(known)})

    async def _note(self, lives: Lives) -> None:
        """Note how far was read, about once a second; of a partition that had no marker yet, once it has one."""
        ready = {at: offset for at, offset in self._unnoted.items() if at in lives}
        now = asyncio.get_running_loop().time()
        if ready and now >= self._note_at and self._settled():
            self._note_at = now + CHECK_SECONDS
            await self._bookmarks.note_offsets(lives, ready)
            self._unnoted = {at: offset for at, offset in self._unnoted.items() if at not in lives}

    async def _park(self, message: ConsumerRecord, error: Unreadable, lives: Lives, under: str = "") -> None:
        """Put a message aside under its key, behind which what comes of that stream waits, or a name before it."""
        name = under + (message.key or b"").decode(errors="replace")
        life = lives.get((message.topic, message.partition), "")
        where = f"{life}/{message.topic}/{message.partition}/{message.offset}"
        reason = f"无法读取：{error}（{where}）"
        data = message.value or b""
        await self._bookmarks.park_unreadable(service_of(message.topic), name, data, reason, error.position)


def without_markers(messages: Iterable[ConsumerRecord]) -> Iterable[ConsumerRecord]:
    """The messages that somebody meant to be read."""
    return (message for message in messages if not is_marker(message))


def _lives(known: Incarnate) -> Lives:
    return {
        (topic, number): life
        for topic, incarnation in known.items()
        for number in incarnation.markers
        if (life := incarnation.life(number)) is not None
    }


def _places(known: Incarnate) -> list[TopicPartition]:
    return sorted(TopicPartition(topic, number) for topic, found in known.items() for number in found.markers)


def offsets_after(batches: Batches) -> Offsets:
    """Where to read on when these messages have been taken."""
    return {(at.topic, at.partition): messages[-1].offset + 1 for at, messages in batches.items()}
