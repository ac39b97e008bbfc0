"""Reactions: events wait here until the processes that listen to them have been served, and timers until they are due.

Our own events are queued by a follower of the log, others' by the intake, each in one transaction with its
checkpoint. One worker of the service carries them out: events of one stream in order, streams beside each other, so
one that has to wait for an answer holds up nobody else. No transaction is open while commands are carried out; a
worker that is killed in between does them again, and their idempotency keys make that harmless.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec
import structlog

from shared.eventstore.follower import Apply
from shared.eventstore.interruptions import INTERRUPTIONS, AskLater, passes
from shared.eventstore.lease import STANDBY_SECONDS, Lease
from shared.eventstore.process import Reactor, SetTimer
from shared.eventstore.reader import Sequenced
from shared.eventstore.record import UnknownEventType, canonical, parse
from shared.eventstore.store import Store
from shared.eventstore.work import ErasedSubject, NoSuchStream, OversizedEvent
from shared.telemetry.errors import describe
from shared.testing.fault_points import FaultPoint, reached

BATCH = 256
STREAMS_AT_ONCE = 16
IDLE_SECONDS = 0.05
PAUSE_SECONDS = 0.2
"""How long a timer is left alone that could not be woken; twice as long each time, up to `LONGEST_PAUSE_SECONDS`."""
LONGEST_PAUSE_SECONDS = 60.0

CONSUMER = "reaction"
TIMER = "timer:"
"""Begins the source of a timer that is parked; the rest is its process."""
BEHIND = "排在同一事件流已搁置的消息之后"
UNSERVED = (msgspec.ValidationError, RecursionError, UnknownEventType, ErasedSubject, NoSuchStream, OversizedEvent)
"""What will be so however often it is tried: the event or timer is parked."""

log = structlog.get_logger(__name__)


class NobodyListens(AskLater):
    """No process of this code listens to what is queued: one of newer code does, which takes over."""


Timer = tuple[str, str, datetime]
"""Process, key, and when it is due (business clock, UTC)."""


class Pause(NamedTuple):
    """How long a timer is left alone, and until when by the loop's clock."""

    seconds: float
    until: float


def queue_for(reactor: Reactor, service: str) -> Apply:
    """The `apply` of the follower that queues our own events for the processes that listen to them."""

    async def apply(connection: asyncpg.Connection, batch: Sequence[Sequenced]) -> None:
        await connection.executemany(
            "insert into reaction (source, stream, position, record) values ($1, $2, $3, $4)",
            [
                (service, item.record.stream, item.position, canonical(item.record))
                for item in batch
                if reactor.listens_to(item.record.type)
            ],
        )

    return apply


class Reactions:
    """Carries out what waits, oldest first; runs in every worker, and the one that holds the lease works."""

    def __init__(self, store: Store, reactor: Reactor) -> None:
        self._store = store
        self._pool = store.pool
        self._reactor = reactor
        self._lease = Lease(store.pool, "reactions")
        self._pauses: dict[Timer, Pause] = {}

    async def run(self) -> None:
        """React until cancelled. Timers have a loop of their own: no question that stays open delays a deadline."""
        async with self._lease, asyncio.TaskGroup() as loops:
            for work in (self.react, self.wake_due):
                loops.create_task(self._lease.repeat(partial(self._turn, work), INTERRUPTIONS))

    async def _turn(self, work: Callable[[], Awaitable[int]]) -> None:
        if await self._lease.held() is None:
            await asyncio.sleep(STANDBY_SECONDS)
        elif not await work():
            await asyncio.sleep(IDLE_SECONDS)

    # -- events ---------------------------------------------------------------------------------------------------

    async def react(self) -> int:
        """Carry out one batch; returns how many events were served or parked."""
        rows = await self._pool.fetch("select * from waiting_reactions($1)", BATCH)
        streams: dict[str, list[Any]] = {}
        for row in rows:
            streams.setdefault(row["stream"], []).append(row)
        free = asyncio.Semaphore(STREAMS_AT_ONCE)

        async def one(stream: str) -> int:
            async with free:
                return await self._react_in_order(streams[stream])

        return sum(_whole(await asyncio.gather(*map(one, streams), return_exceptions=True)))

    async def _react_in_order(self, rows: Sequence[Any]) -> int:
        for number, row in enumerate(rows):
            if await self._lease.held() is None:
                return number
            try:
                await self._react_to(row)
            except Exception as error:
                if passes(error) and not isinstance(error, AskLater):
                    raise
                seconds = await self._pool.fetchval("select postpone_reaction($1)", row["id"])
                _tell(error, "reaction_waits", reaction=row["id"], seconds=seconds)
                return number
        return len(rows)

    async def _react_to(self, row: Any) -> None:
        record = parse(row["record"])
        if not self._reactor.listens_to(record.type):
            raise NobodyListens(record.type)
        reason: str | None = None
        timers: list[tuple[str, SetTimer]] = []
        state = await self._pool.fetchval("select reaction_state($1)", row["id"])
        if state is None:
            return  # another worker, which had the lease in between, has served it
        if state == "behind":
            reason = BEHIND
        else:
            try:
                timers = await self._reactor.react(record)
            except UNSERVED as error:
                log.warning("reaction_parked", event_type=record.type, error=describe(error))
                reason = describe(error)
        async with self._pool.acquire() as connection, connection.transaction():
            # Only who takes the row away may set timers: a late worker must not put older ones over newer ones.
            if not await connection.fetchval("delete from reaction where id = $1 returning true", row["id"]):
                return
            if reason is not None:
                where = (row["source"], row["stream"], record.log_id, row["position"], row["record"])
                await _park(connection, *where, reason)
            for process, timer in timers:
                await set_timer(connection, process, timer)
            reached(FaultPoint.REACT_DONE)

    # -- timers ---------------------------------------------------------------------------------------------------

    async def wake_due(self) -> int:
        """Wake every process whose timer is due, in the order in which they are; returns how many were woken."""
        now = asyncio.get_running_loop().time()
        forgotten = now - LONGEST_PAUSE_SECONDS
        self._pauses = {timer: pause for timer, pause in self._pauses.items() if pause.until > forgotten}
        paused = [timer for timer, pause in self._pauses.items() if pause.until > now]
        rows = await self._pool.fetch(
            "select process, key, due_at, payload from timer where due_at <= $1 and process = any ($2)"
            " and (process, key, due_at) not in (select * from unnest($4::text[], $5::text[], $6::timestamptz[]))"
            " order by due_at, process, key limit $3",
            *(await self._store.now(), list(self._reactor.processes), BATCH),
            *([timer[part] for timer in paused] for part in range(3)),
        )
        woken = 0
        for _, due in groupby(rows, lambda row: row["due_at"]):
            woken += sum(_whole(await asyncio.gather(*map(self._wake, due), return_exceptions=True)))
        return woken

    async def _wake(self, row: Any) -> int:
        """Wake one process: 1, or 0 when it has to be tried again. What can never be done is parked."""
        timer = process, key, due_at = row["process"], row["key"], row["due_at"]
        reason: str | None = None
        reached(FaultPoint.TIMER_TAKEN)
        try:
            await self._reactor.wake(process, key, due_at, row["payload"])
        except UNSERVED as error:
            log.warning("timer_parked", process=process, error=describe(error))
            reason = describe(error)
        except Exception as error:
            if passes(error) and not isinstance(error, AskLater):
                raise
            _tell(error, "timer_waits", process=process, seconds=self._pause(timer))
            return 0
        self._pauses.pop(timer, None)
        reached(FaultPoint.TIMER_DONE)
        async with self._pool.acquire() as connection, connection.transaction():
            gone = await connection.fetchval(
                "delete from timer where process = $1 and key = $2 and due_at = $3 returning true",
                *(process, key, due_at),
            )
            if gone and reason is not None:
                await _park(connection, f"{TIMER}{process}", key, None, None, row["payload"], reason)
        return 1

    def _pause(self, timer: Timer) -> float:
        """Leave a timer alone for a while, so that others get their turn; returns for how many seconds."""
        before = self._pauses.get(timer)
        seconds = PAUSE_SECONDS if before is None else min(2 * before.seconds, LONGEST_PAUSE_SECONDS)
        self._pauses[timer] = Pause(seconds, asyncio.get_running_loop().time() + seconds)
        return seconds


def _tell(error: Exception, event: str, **what: object) -> None:
    """Log why something waits; what nobody foresaw with its trace, for somebody has to mend it."""
    if isinstance(error, AskLater):
        log.info(event, error=describe(error), **what)
    else:
        log.error(event, error=describe(error), exc_info=error, **what)


def _whole(outcomes: Sequence[int | BaseException]) -> list[int]:
    """The outcomes when none failed, else the first failure: all have come to their end by now, none is cut off."""
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, int)]


async def _park(
    connection: asyncpg.Connection,
    source: str,
    stream: str,
    log_id: UUID | None,
    position: int | None,
    data: bytes,
    reason: str,
) -> None:
    await connection.execute(
        "insert into parked (consumer, source, stream, log_id, position, record, reason)"
        " values ($1, $2, $3, $4, $5, $6, $7)",
        *(CONSUMER, source, stream, log_id, position, data, reason),
    )


async def release(pool: asyncpg.Pool, stream: str, now: datetime) -> int:
    """Have what is parked of a stream tried again, before what has come behind it; returns how many were parked.

    Timers that were parked under this key are due at once: `now` is the business clock's.
    """
    async with pool.acquire() as connection, connection.transaction():
        parked = await connection.fetch(
            "delete from parked where consumer = $1 and stream = $2 and dropped_at is null"
            " returning id, source, stream, position, record",
            *(CONSUMER, stream),
        )
        events = sorted((row for row in parked if row["position"] is not None), key=itemgetter("id"))
        if events:
            behind = await connection.fetch("delete from reaction where stream = $1 returning *", stream)
            await connection.executemany(
                "insert into reaction (source, stream, position, record) values ($1, $2, $3, $4)",
                [
                    (row["source"], row["stream"], row["position"], row["record"])
                    for row in (*events, *sorted(behind, key=itemgetter("id")))
                ],
            )
        for row in parked:
            if row["position"] is None:
                process = row["source"].removeprefix(TIMER)
                await set_timer(connection, process, SetTimer(key=stream, due_at=now, payload=row["record"]))
    return len(parked)


async def set_timer(connection: asyncpg.Connection, process: str, timer: SetTimer) -> None:
    """Set a timer, in place of the one that the process has under this key."""
    await connection.execute(
        "insert into timer (process, key, due_at, payload) values ($1, $2, $3, $4)"
        " on conflict (process, key) do update set due_at = excluded.due_at, payload = excluded.payload",
        *(process, timer.key, timer.due_at, timer.payload),
    )
