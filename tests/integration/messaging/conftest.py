"""A real broker beside the real database, and records as another service would have written them."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from shared.eventstore.record import Actor, Record, canonical
from shared.messaging.inbox import CannotHandle, Inbox
from shared.messaging.topics import Delivered, topic_of
from tests.brokers import CHOICES, Brokers

SOURCE = "ledger"
CONSUMER = "tests"
POISON = b'{"poison":true}'

Told = Callable[..., Delivered]


@pytest.fixture(params=CHOICES)
async def bootstrap(request: pytest.FixtureRequest, brokers: Brokers) -> AsyncIterator[str]:
    """Each kind of broker, with the topic of SOURCE, empty."""
    async with brokers.with_topics(request.param, topic_of(SOURCE)) as broker:
        yield broker.bootstrap


@pytest.fixture
def told() -> Told:
    """`told(position, stream)`: an event of SOURCE as Kafka delivers it; one log per test unless it names another."""
    log = uuid4()

    def make(position: int, stream: str = "acc_a", *, log_id: UUID = log, payload: bytes = b"{}") -> Delivered:
        record = Record(
            id=UUID(int=position),
            stream=stream,
            version=position,
            log_id=log_id,
            type="test.Moved.v1",
            recorded_at=datetime(2025, 3, 3, tzinfo=UTC),
            occurred_at=datetime(2025, 3, 3, tzinfo=UTC),
            actor=Actor("test"),
            causation_id=None,
            correlation_id=None,
            traceparent=None,
            payload=msgspec.Raw(payload),
        )
        return Delivered(SOURCE, position, record, canonical(record))

    return make


class Diary:
    """An inbox whose effect writes down what it is given, in the effect's transaction, and stumbles over POISON.

    `understands`: positions of which it does not, any more.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.inbox = Inbox(pool, CONSUMER, self._write)
        self.understands: set[int] = set()

    async def _write(self, connection: asyncpg.Connection, batch: Sequence[Delivered]) -> None:
        await connection.executemany(
            "insert into diary (source, position, stream) values ($1, $2, $3)",
            [(item.source, item.position, item.record.stream) for item in batch],
        )
        poison = [item.position for item in batch if bytes(item.record.payload) == POISON]
        if set(poison) - self.understands:
            raise CannotHandle("无法理解")

    async def positions(self, stream: str | None = None) -> list[int]:
        """The positions that took effect, in the order in which they did."""
        query = "select position from diary where $1::text is null or stream = $1 order by id"
        return [row["position"] for row in await self._pool.fetch(query, stream)]

    async def parked(self) -> list[tuple[str, int | None, str]]:
        rows = await self._pool.fetch("select stream, position, reason from parked order by id")
        return [(row["stream"], row["position"], row["reason"]) for row in rows]

    async def watermark(self) -> int | None:
        found: int | None = await self._pool.fetchval("select watermark from applied where consumer = $1", CONSUMER)
        return found


@pytest.fixture
async def diary(pool: asyncpg.Pool) -> Diary:
    await pool.execute(
        "create table diary (id bigint generated always as identity, source text, position bigint, stream text)"
    )
    return Diary(pool)
