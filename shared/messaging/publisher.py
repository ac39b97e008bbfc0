"""The publisher: what stands in order in a service's database goes to a topic, in that order, at least once.

One leader per service publishes; its epoch fences the checkpoint, not the produce, so a leader that was frozen may
still send old messages: who reads them absorbs them.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import UnknownTopicOrPartitionError

from shared.eventstore.follower import read_checkpoint
from shared.eventstore.interruptions import DATABASE
from shared.eventstore.lease import STANDBY_SECONDS, Lease
from shared.messaging.broker import ERRORS, METADATA_MS
from shared.messaging.incarnation import Incarnation, Incarnations, marker_headers, read_incarnation
from shared.telemetry.errors import describe
from shared.telemetry.traces import batch_span
from shared.testing.fault_points import FaultPoint, reached

INCARNATION_SECONDS = 1.0
BATCH_BYTES = 256 * 1024
"""Of one partition in one request. A partition has one request out at a time, so small ones wait for each other."""
INTERRUPTIONS = (*DATABASE, *ERRORS)

log = structlog.get_logger(__name__)


class Outgoing(NamedTuple):
    """A message, and its place in the order in which its publisher publishes."""

    position: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    traceparent: str | None = None


class Publisher(ABC):
    """Publishes to one topic. `reader` names its lease and its checkpoint, which belongs to one incarnation of it."""

    def __init__(self, pool: asyncpg.Pool, reader: str, topic: str, bootstrap: str) -> None:
        self._pool = pool
        self._name = reader
        self._topic = topic
        self._bootstrap = bootstrap
        self._lease = Lease(pool, reader)
        self._incarnations = Incarnations(bootstrap)
        self._producer: AIOKafkaProducer | None = None
        self._known: Incarnation | None = None
        self._ask_at = 0.0
        self.position = 0

    @abstractmethod
    async def _read(self, after: int) -> Sequence[Outgoing]:
        """The next messages after a position, in order; none when there are no more yet."""

    @abstractmethod
    async def _wait(self) -> None:
        """Return when there may be more to read, and after a while in any case."""

    async def run(self) -> None:
        """Publish until cancelled."""
        try:
            await self._lease.repeat(self._turn, INTERRUPTIONS)
        finally:
            await asyncio.shield(self.close())

    async def _turn(self) -> None:
        try:
            moved = await self.step()
        except INTERRUPTIONS:
            await self._disconnect()
            raise
        if self._lease.epoch is None:
            await asyncio.sleep(STANDBY_SECONDS)
        elif not moved:
            await self._wait()

    async def step(self) -> bool:
        """Publish one batch; False when there is nothing to publish or another leads."""
        epoch = await self._lease.held()
        if epoch is None:
            self.position = await read_checkpoint(self._pool, self._name)
            return False
        if not await self._same_incarnation(epoch):
            return False
        batch = await self._read(self.position)
        if not batch:
            return False
        reached(FaultPoint.PUBLISH_READ)
        await self._publish(batch)
        reached(FaultPoint.PUBLISH_ACKNOWLEDGED)
        await self._checkpoint(batch[-1].position, epoch)
        reached(FaultPoint.PUBLISH_CHECKPOINTED)
        return True

    async def _publish(self, batch: Sequence[Outgoing]) -> None:
        producer = await self._connected()
        with batch_span(f"{self._topic} publish", "producer", [item.traceparent for item in batch]):
            acknowledged = [
                await producer.send(self._topic, item.value, key=item.key, headers=item.headers) for item in batch
            ]
            reached(FaultPoint.PUBLISH_SENT)
            await asyncio.gather(*acknowledged)

    async def _checkpoint(self, position: int, epoch: int) -> None:
        done = await self._pool.execute(
            "update checkpoint set position = $2 where reader = $1 and incarnation = $3"
            " and exists (select from lease where name = $1 and epoch = $4)",
            self._name,
            position,
            self._known.text() if self._known else None,
            epoch,
        )
        if done == "UPDATE 0":
            log.warning("publisher_fenced", publisher=self._name, position=position, epoch=epoch)
            self._lease.lost()
            self._known = None
        else:
            self.position = position

    async def _same_incarnation(self, epoch: int) -> bool:
        """A topic that lost what stood in it gets everything again, from position 0. False when another leads."""
        now = asyncio.get_running_loop().time()
        if self._known is not None and now < self._ask_at:
            return True
        current = await self._marked()
        self._ask_at = now + INCARNATION_SECONDS
        if current == self._known:
            return True
        row = await self._pool.fetchrow("select position, incarnation from checkpoint where reader = $1", self._name)
        earlier = read_incarnation(row["incarnation"]) if row else None
        same = earlier is not None and current.continues(earlier)
        position = row["position"] if row and same else 0
        done = await self._pool.execute(
            "insert into checkpoint as c (reader, position, incarnation) values ($1, $2, $3)"
            " on conflict (reader) do update set position = $2, incarnation = $3"
            " where exists (select from lease where name = $1 and epoch = $4)",
            self._name,
            position,
            current.text(),
            epoch,
        )
        if done.endswith(" 0"):
            self._lease.lost()
            return False
        if earlier is not None and not same:
            log.warning("broker_incarnation_changed", publisher=self._name, publishing_from=position)
        self._known = current
        self.position = position
        return True

    async def _marked(self) -> Incarnation:
        """The incarnation of the topic. Partitions in which nothing stands get their marker first. Raises `ERRORS`."""
        current = await self._current()
        if current.empty:
            await self._disconnect()  # the producer may not know of partitions that have been added
            producer = await self._connected()
            acknowledged = [
                await producer.send(self._topic, b"", partition=number, headers=marker_headers())
                for number in current.empty
            ]
            await asyncio.gather(*acknowledged)
            current = await self._current()
        return current

    async def _current(self) -> Incarnation:
        current = (await self._incarnations.of([self._topic]))[self._topic]
        if not current.markers:
            raise UnknownTopicOrPartitionError(self._topic)
        return current

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                acks="all",
                linger_ms=0,
                metadata_max_age_ms=METADATA_MS,
                max_batch_size=BATCH_BYTES,
                request_timeout_ms=5000,
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def _disconnect(self) -> None:
        producer, self._producer = self._producer, None
        self._ask_at = 0.0
        if producer is not None:
            try:
                async with asyncio.timeout(2):
                    await producer.stop()
            except ERRORS as error:
                log.info("producer_not_closed", error=describe(error))

    async def close(self) -> None:
        """Leave the broker, and the work to another."""
        await self._disconnect()
        await self._incarnations.close()
        await self._lease.retire()
