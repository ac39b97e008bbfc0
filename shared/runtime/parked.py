"""What was put aside because it cannot be handled: looked at, tried again, or dropped with a reason."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from shared.eventstore import reactions
from shared.messaging.inbox import Inbox, Retried


class ParkedMessage(NamedTuple):
    """A message with the reason why it stands aside; times are the wall clock's, UTC.

    `consumer` is who could not handle it. `log_id` is None for a timer, and for what is no message at all, of which
    `position` is what its header says. `behind`: how many earlier ones of its stream are parked too.
    """

    id: int
    consumer: str
    source: str
    stream: str
    log_id: UUID | None
    position: int | None
    record: bytes
    reason: str
    parked_at: datetime
    attempts: int
    behind: int

    @property
    def is_event(self) -> bool:
        return self.log_id is not None

    @property
    def retriable(self) -> bool:
        return self.is_event or self.source.startswith(reactions.TIMER)


class NotRetriable(Exception):
    """What is no message at all can be dropped only."""


_ROW = (
    "select p.id, p.consumer, p.source, p.stream, p.log_id, p.position, p.record, p.reason, p.parked_at, p.attempts,"
    " (select count(*) from parked e where e.consumer = p.consumer and e.stream = p.stream and e.id < p.id"
    " and e.dropped_at is null) as behind from parked p where p.dropped_at is null"
)


class ParkedMessages:
    """One service's. `now` is the business clock."""

    def __init__(self, pool: asyncpg.Pool, inbox: Inbox | None, now: Callable[[], Awaitable[datetime]]) -> None:
        self._pool = pool
        self._inbox = inbox
        self._now = now

    async def page(self, after: int, limit: int) -> list[ParkedMessage]:
        """Those behind an id, oldest first."""
        rows = await self._pool.fetch(f"{_ROW} and p.id > $1 order by p.id limit $2", after, limit)
        return [ParkedMessage(*row) for row in rows]

    async def find(self, id: int) -> ParkedMessage | None:
        row = await self._pool.fetchrow(f"{_ROW} and p.id = $1", id)
        return None if row is None else ParkedMessage(*row)

    async def retry(self, message: ParkedMessage) -> Retried:
        """Try all that is parked of the message's stream again, in order. Raises `NotRetriable`.

        Reactions and timers are served by the worker that holds the lease: they count as served here, and are parked
        again where they fail again.
        """
        if not message.retriable:
            raise NotRetriable
        if message.consumer == reactions.CONSUMER:
            return Retried(await reactions.release(self._pool, message.stream, await self._now()), 0, None)
        assert self._inbox is not None, "only an inbox and the reactions park events"
        return await self._inbox.retry(message.stream)

    async def drop(self, message: ParkedMessage, by: str, reason: str) -> None:
        """Give a message up, on record: nothing waits behind it any more."""
        await self._pool.execute(
            "update parked set dropped_at = clock_timestamp(), dropped_by = $2, dropped_reason = $3"
            " where id = $1 and dropped_at is null",
            *(message.id, by, reason),
        )
