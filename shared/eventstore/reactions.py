"""Reactions: events wait here until the processes that listen to them have been served, and timers until they are due.

Our own events are queued by a follower of the log, others' by the intake, each in one transaction with its
checkpoint. One worker of the service carries them out: events of one stream in order, streams beside each other, so
one that has to wait for an answer holds up nobody else. No transaction is open while commands are carried out; a
worker that is killed in between does them again, and their idempotency keys make that harmless.
"""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import asyncpg
import msgspec
import structlog

from shared.eventstore.follower import Apply
from shared.eventstore.interruptions import DATABASE, INTERRUPTIONS, AskLater
from shared.eventstore.lease import Lease
from shared.eventstore.process import Reactor, SetTimer
from shared.eventstore.reader import Sequenced
from shared.eventstore.record import UnknownEventType, canonical, parse
from shared.eventstore.store import AppendFailed, Store
from shared.telemetry.errors import describe
from shared.testing.fault_points import FaultPoint, reached

BATCH = 256
STREAMS_AT_ONCE = 16
IDLE_SECONDS = 0.05
STANDBY_SECONDS = 0.5
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 60.0

CONSUMER = "reaction"
BEHIND = "排在同一事件流已搁置的消息之后"

log = structlog.get_logger(__name__)


def queue_for(reactor: Reactor, service: str) -> Apply:
    """The `apply` of the follower that queues our own events for the processes that listen to them."""

    async def apply(connection: asyncpg.Connection, batch: Sequence[Sequenced]) -> None:
        await connection.executemany(
            "insert into reaction (source, stream, position, record) values ($1, $2, $3, $4)",
            [
                (service, item.record.stream, item.position, canonical(item.record))
                for item in batch
                if item.record.type in reactor.on
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
        self._paused: dict[str, tuple[float, float]] = {}
        """By stream: until when it waits for an answer from elsewhere (loop time, seconds), and how long it waited."""

    async def run(self) -> None:
        """React until cancelled."""
        try:
            while True:
                pause = IDLE_SECONDS
                try:
                    if await self._lease.held() is None:
                        pause = STANDBY_SECONDS
                    elif await self.react() + await self.wake_due():
                        continue
                except INTERRUPTIONS as error:
                    log.warning("reactions_interrupted", error=describe(error))
                    self._lease.lost()
                    pause = FIRST_PAUSE
                await asyncio.sleep(pause)
        finally:
            await asyncio.shield(self._retire())

    async def _retire(self) -> None:
        try:
            await self._lease.give_up()
        except DATABASE as error:
            log.info("lease_not_given_up", error=describe(error))

    # -- events ---------------------------------------------------------------------------------------------------

    async def react(self) -> int:
        """Carry out one batch; returns how many events were served or parked."""
        now = asyncio.get_running_loop().time()
        rows = await self._pool.fetch(
            "select id, source, stream, position, record from reaction where stream <> all ($1) order by id limit $2",
            [stream for stream, (until, _) in self._paused.items() if until > now],
            BATCH,
        )
        streams: dict[str, list[Any]] = {}
        for row in rows:
            streams.setdefault(row["stream"], []).append(row)
        free = asyncio.Semaphore(STREAMS_AT_ONCE)

        async def one(stream: str) -> int:
            async with free:
                return await self._react_in_order(stream, streams[stream])

        return sum(_whole(await asyncio.gather(*map(one, streams), return_exceptions=True)))

    async def _react_in_order(self, stream: str, rows: Sequence[Any]) -> int:
        for number, row in enumerate(rows):
            try:
                await self._react_to(row)
            except AskLater as error:
                self._pause(stream, row["id"], error)
                return number
        self._paused.pop(stream, None)
        return len(rows)

    def _pause(self, stream: str, reaction: int, error: AskLater) -> None:
        waited = self._paused.get(stream, (0.0, FIRST_PAUSE / 2))[1]
        pause = min(waited * 2, LONGEST_PAUSE)
        self._paused[stream] = (asyncio.get_running_loop().time() + pause, pause)
        log.info("reaction_waits", reaction=reaction, seconds=pause, error=describe(error))

    async def _react_to(self, row: Any) -> None:
        record = parse(row["record"])
        reason: str | None = None
        timers: list[tuple[str, SetTimer]] = []
        if await self._is_parked(row["stream"]):
            reason = BEHIND
        else:
            try:
                timers = await self._reactor.react(record)
            except (AppendFailed, msgspec.ValidationError, UnknownEventType) as error:
                log.warning("reaction_parked", event_type=record.type, error=describe(error))
                reason = describe(error)
        async with self._pool.acquire() as connection, connection.transaction():
            if reason is not None:
                await connection.execute(
                    "insert into parked (consumer, source, stream, log_id, position, record, reason)"
                    " select $1, $2, $3, $4, $5, $6, $7 where exists (select from reaction where id = $8)",
                    *(CONSUMER, row["source"], row["stream"], record.log_id, row["position"], row["record"], reason),
                    row["id"],
                )
            for process, timer in timers:
                await set_timer(connection, process, timer)
            reached(FaultPoint.REACT_DONE)
            await connection.execute("delete from reaction where id = $1", row["id"])

    async def _is_parked(self, stream: str) -> bool:
        parked: bool = await self._pool.fetchval(
            "select exists (select from parked where consumer = $1 and stream = $2 and dropped_at is null)",
            CONSUMER,
            stream,
        )
        return parked

    # -- timers ---------------------------------------------------------------------------------------------------

    async def wake_due(self) -> int:
        """Wake every process whose timer is due, in the order in which they are; returns how many timers were taken."""
        rows = await self._pool.fetch(
            "select process, key, due_at, payload from timer where due_at <= $1 and process = any ($2)"
            " order by due_at, process, key limit $3",
            await self._store.now(),
            list(self._reactor.processes),
            BATCH,
        )
        for _, due in groupby(rows, lambda row: row["due_at"]):
            _whole(await asyncio.gather(*map(self._wake, due), return_exceptions=True))
        return len(rows)

    async def _wake(self, row: Any) -> int:
        reached(FaultPoint.TIMER_TAKEN)
        await self._reactor.wake(row["process"], row["key"], row["due_at"], row["payload"])
        reached(FaultPoint.TIMER_DONE)
        await self._pool.execute(
            "delete from timer where process = $1 and key = $2 and due_at = $3",
            *(row["process"], row["key"], row["due_at"]),
        )
        return 1


def _whole(outcomes: Sequence[int | BaseException]) -> list[int]:
    """The outcomes when none failed, else the first failure: all have come to their end by now, none is cut off."""
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, int)]


async def set_timer(connection: asyncpg.Connection, process: str, timer: SetTimer) -> None:
    """Set a timer, in place of the one that the process has under this key."""
    await connection.execute(
        "insert into timer (process, key, due_at, payload) values ($1, $2, $3, $4)"
        " on conflict (process, key) do update set due_at = excluded.due_at, payload = excluded.payload",
        *(process, timer.key, timer.due_at, timer.payload),
    )
