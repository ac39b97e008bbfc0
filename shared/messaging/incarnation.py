"""Incarnations: which life of a topic we are talking to, and how one life is told from the next.

Kafka carries, PostgreSQL keeps: what has been published, and offsets, belong to one incarnation of a topic. The
cluster's id names it (fresh for every start of a broker that keeps all in memory), and what stands first in each
partition: whoever publishes puts a marker there before anything else. So a cluster that kept its id and lost its data,
or the data of one partition, is noticed too. Partitions may be added: that is the same life.
"""

import asyncio
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    LeaderNotAvailableError,
    NodeNotReadyError,
    NoError,
    OffsetOutOfRangeError,
    RequestTimedOutError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest

from shared.messaging.broker import ERRORS

MARKER = "incarnation"
"""The header by which a marker is known; it has no key, and nothing in it."""
ANSWER_SECONDS = 2.0
PATIENCE_SECONDS = 8.0
WAIT_MS = 50
"""Nobody waits for data that are not there yet, but Tansu looks at no partition at all when it is given no time."""
SMALL = 512
"""Bytes that are asked of each partition; a marker has about 120."""
LARGE = 1024 * 1024
_FIRST = struct.Struct(">qiibI2xiq")
"""A record batch begins with: offset, length, leader's epoch, magic, check sum, attributes, last delta, timestamp."""
UNSEEN = "unseen"
"""Stands for a first batch that is larger than what was asked for, and comes only when it is asked for alone."""
TRIMMED = "trimmed"
"""Stands for the marker of a partition whose beginning was deleted."""

Place = tuple[str, int]
"""Topic and partition."""


class Incarnation(msgspec.Struct, frozen=True):
    """One life of one topic."""

    cluster: str
    markers: dict[int, str | None]
    """What stands first in each partition, None where there is nothing yet."""

    def continues(self, earlier: "Incarnation") -> bool:
        """Whether all partitions of `earlier` are still there, with what stood first in them."""
        return self.cluster == earlier.cluster and all(
            number in self.markers and marker in (None, self.markers[number])
            for number, marker in earlier.markers.items()
        )

    def life(self, partition: int) -> str | None:
        """A name for this life of one partition; None before anything stands in it."""
        marker = self.markers.get(partition)
        return None if marker is None else f"{self.cluster}/{marker}"

    @property
    def empty(self) -> list[int]:
        """The partitions in which nothing stands."""
        return [number for number, marker in self.markers.items() if marker is None]

    def text(self) -> str:
        """The same text for equal incarnations, as it is kept beside a checkpoint."""
        return msgspec.json.encode(Incarnation(self.cluster, dict(sorted(self.markers.items())))).decode()


def read_incarnation(text: str | None) -> Incarnation | None:
    """What `text()` wrote; None for anything else, which no incarnation continues."""
    try:
        return None if text is None else msgspec.json.decode(text, type=Incarnation)
    except msgspec.MsgspecError:
        return None


def marker_headers() -> list[tuple[str, bytes]]:
    """The headers of a fresh marker, unlike those of any other."""
    return [(MARKER, str(uuid4()).encode())]


def is_marker(message: Any) -> bool:
    """Whether a message is a marker; those who read events pass over it, wherever it stands."""
    return not message.value and any(name == MARKER for name, _ in message.headers)


class Partition(NamedTuple):
    """A partition of a topic, and the node that leads it."""

    topic: str
    number: int
    leader: int


class Incarnations:
    """Asks a cluster about its topics. A question that any broker can answer is put to one after the other."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._client: AIOKafkaClient | None = None
        self._connecting = asyncio.Lock()
        self._answered: int | None = None

    async def cluster(self) -> str:
        """The cluster's id. Raises one of `ERRORS` when no broker answers."""
        return str((await self._patiently(self._metadata([]))).cluster_id)

    async def of(self, topics: Sequence[str]) -> dict[str, Incarnation]:
        """The incarnation of each topic now; of one that is not there, one without partitions. Raises `ERRORS`."""
        found: dict[str, Incarnation] = await self._patiently(self._of(topics))
        return found

    async def partitions(self, topics: Sequence[str]) -> list[Partition]:
        """The partitions of those topics that are there. Raises `ERRORS`."""
        return partitions_in(await self._patiently(self._metadata(topics)))

    async def fetch(self, leader: int, wanted: Iterable[tuple[str, list[Any]]], wait_ms: int, size: int) -> Any:
        """One answer of a node: for each topic (partition, offset, most bytes) is asked. Raises `ERRORS`."""
        request = FetchRequest(wait_ms, 1, size, 0, list(wanted))
        return await self._patiently((await self._connected()).send(leader, request))

    async def _of(self, topics: Sequence[str]) -> dict[str, Incarnation]:
        metadata = await self._metadata(topics)
        partitions = partitions_in(metadata)
        markers = await self._markers(partitions, SMALL)
        for at in partitions:
            if markers[at.topic, at.number] == UNSEEN:
                markers |= await self._markers([at], LARGE)
        if UNSEEN in markers.values():
            raise RequestTimedOutError("something stands in a partition, and is not shown")
        return {
            topic: Incarnation(
                str(metadata.cluster_id), {number: marker for (of, number), marker in markers.items() if of == topic}
            )
            for topic in topics
        }

    async def _metadata(self, topics: Sequence[str]) -> Any:
        client = await self._connected()
        request = MetadataRequest(list(topics), allow_auto_topic_creation=False)
        failure: BaseException = NodeNotReadyError(f"no broker at {self._bootstrap}")
        for node in sorted((broker.nodeId for broker in client.cluster.brokers()), key=self._by_answer):
            try:
                metadata = await client.send(node, request)
            except ERRORS as error:
                failure = error
            else:
                self._answered = node
                client.cluster.update_metadata(metadata)
                return metadata
        raise failure

    def _by_answer(self, node: int) -> tuple[bool, int]:
        """Who answered last is asked first: one that is frozen costs its time-out once."""
        return node != self._answered, node

    async def _markers(self, partitions: Sequence[Partition], size: int) -> dict[Place, str | None]:
        client = await self._connected()
        found: dict[Place, str | None] = {}
        for leader, wanted in by_leader(partitions).items():
            asked = [(topic, [(number, 0, size) for number in numbers]) for topic, numbers in wanted.items()]
            answer = await client.send(leader, FetchRequest(WAIT_MS, 0, len(asked) * LARGE, 0, asked))
            for topic, answers in answer.topics:
                for number, code, end, *_, data in answers:
                    found[topic, number] = marker_of(code, end, data or b"")
        if len(found) < len(partitions):
            raise RequestTimedOutError(f"{len(found)} of {len(partitions)} partitions were looked at")
        return found

    async def _connected(self) -> AIOKafkaClient:
        async with self._connecting:
            if self._client is None:
                client = AIOKafkaClient(
                    bootstrap_servers=self._bootstrap,
                    request_timeout_ms=int(ANSWER_SECONDS * 1000),
                    retry_backoff_ms=50,
                )
                try:
                    await client.bootstrap()
                except BaseException:
                    await client.close()
                    raise
                self._client = client
            return self._client

    async def _patiently(self, question: Any) -> Any:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await question
        except ERRORS:
            await self.close()
            raise

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def partitions_in(metadata: Any) -> list[Partition]:
    """Every partition of the topics that are there. Raises LeaderNotAvailableError where one has no leader now."""
    found = []
    for _, topic, _, partitions in metadata.topics:
        for _, number, leader, *_ in partitions:
            if leader < 0:
                raise LeaderNotAvailableError(f"{topic} {number}")
            found.append(Partition(topic, number, leader))
    return found


async def partitions_of(bootstrap: str, topics: Sequence[str]) -> list[TopicPartition]:
    """Every partition of some topics. Raises `ERRORS`; UnknownTopicOrPartitionError names those that are not there."""
    asked = Incarnations(bootstrap)
    try:
        found = await asked.of(topics)
    finally:
        await asked.close()
    if missing := [topic for topic in topics if not found[topic].markers]:
        raise UnknownTopicOrPartitionError(*missing)
    return [TopicPartition(topic, number) for topic in topics for number in found[topic].markers]


def by_leader(partitions: Iterable[Partition]) -> Mapping[int, Mapping[str, list[int]]]:
    """The numbers of the partitions, by leader and topic."""
    found: dict[int, dict[str, list[int]]] = {}
    for at in partitions:
        found.setdefault(at.leader, {}).setdefault(at.topic, []).append(at.number)
    return found


def marker_of(code: int, end: int, data: bytes) -> str | None:
    """What tells a first batch from any other: the check sum over its content, and when it was made."""
    if code == OffsetOutOfRangeError.errno:
        return TRIMMED
    if code != NoError.errno:
        raise for_code(code)()
    if len(data) < _FIRST.size:
        return None if end == 0 else UNSEEN
    _, _, _, _, checksum, _, timestamp = _FIRST.unpack_from(data)
    return f"{timestamp:x}-{checksum:08x}"
