"""Processes: what one event makes another aggregate or clock do.

A process is a pure function from a record to reactions. Reactions are carried out one after the other; each command
has the id `UUIDv5(process, event, n)`, which is its idempotency key, so repeating a reaction changes nothing.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import msgspec
import structlog

from shared.eventstore.decider import Rejection
from shared.eventstore.follower import Apply
from shared.eventstore.needs import IdempotencyKey, Needs
from shared.eventstore.reader import Sequenced
from shared.eventstore.record import Actor, Record, UnknownEventType, parse
from shared.eventstore.store import AppendFailed, Context, Store
from shared.eventstore.work import Answer, Handler, Work, fingerprint
from shared.telemetry.errors import describe
from shared.testing.fault_points import FaultPoint, reached

log = structlog.get_logger(__name__)

PROCESS_NAMESPACE = UUID("6f0f3a52-64c1-5e0b-9a52-0c9b6f3d7a11")


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command of a process: what it needs, and the handler that carries it out."""

    needs: Needs
    handler: Handler


class SetTimer(msgspec.Struct, frozen=True, kw_only=True):
    """Wake this process at `due_at` (business clock) with `payload`; one timer per `key`, the last one counts."""

    key: str
    due_at: datetime
    payload: bytes


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Ask someone outside the store first, then carry out the command that comes of it, if any.

    `ask(outside)` may do I/O but changes nothing; `outside` is what the service's wiring provides. When it raises
    `AskLater`, everything behind it waits and it is asked again.
    """

    ask: Callable[[Any], Awaitable["Command | None"]]


Reaction = Command | SetTimer | Ask
React = Callable[[Record], Sequence[Reaction]]
Wake = Callable[[str, bytes], Sequence[Command]]


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A named process: `react` answers to events of the types in `on`, ours or others', `wake` to its timers."""

    name: str
    on: frozenset[str]
    react: React
    wake: Wake = lambda key, payload: ()


class Reactor:
    """Carries out reactions: commands through the store, timers into their table."""

    def __init__(self, store: Store, outside: object = None) -> None:
        self._store = store
        self._outside = outside

    async def react(self, connection: asyncpg.Connection, process: Process, record: Record) -> None:
        """Carry out what `process` makes of a record. Idempotent; timers are set through `connection`."""
        for number, reaction in enumerate(process.react(record)):
            match reaction:
                case Command():
                    await self._command(process.name, str(record.id), number, reaction, record)
                case SetTimer():
                    await set_timer(connection, process.name, reaction)
                case Ask():
                    command = await reaction.ask(self._outside)
                    if command is not None:
                        await self._command(process.name, str(record.id), number, command, record)

    async def wake(self, process: Process, key: str, due_at: datetime, payload: bytes) -> None:
        """Carry out what `process` does when a timer is due."""
        for number, command in enumerate(process.wake(key, payload)):
            await self._command(process.name, f"{key}@{due_at.isoformat()}", number, command, None)

    async def _command(self, process: str, cause: str, number: int, command: Command, record: Record | None) -> None:
        name = uuid5(PROCESS_NAMESPACE, f"{process}\n{cause}\n{number}")
        context = Context(
            actor=Actor(f"process:{process}"),
            correlation_id=(record.correlation_id if record is not None else None) or name,
            causation_id=None if record is None else record.id,
            traceparent=None if record is None else record.traceparent,
        )
        key = IdempotencyKey(f"process:{process}", str(name), fingerprint(b""))
        carried = await self._store.carry_out(command.needs, command.handler, context, key)
        if isinstance(carried.outcome, Rejection):
            log.info("reaction_rejected", process=process, code=carried.outcome.code)

    def follow(self, processes: Sequence[Process]) -> Apply:
        """The `apply` of a follower that feeds our own log to processes."""

        async def apply(connection: asyncpg.Connection, batch: Sequence[Sequenced]) -> None:
            for item in batch:
                for process in processes:
                    if item.record.type in process.on:
                        await self.react(connection, process, item.record)

        return apply

    async def react_to_foreign(self, pool: asyncpg.Pool, processes: Sequence[Process]) -> int:
        """Carry out what waits in `reaction`, oldest first; returns how many were done.

        A reaction that fails is parked under consumer `reaction`, and later ones of its stream behind it.
        """
        rows = await pool.fetch("select id, source, stream, position, record from reaction order by id limit 100")
        for row in rows:
            record = parse(row["record"])
            async with pool.acquire() as connection, connection.transaction():
                parked = await connection.fetchval(
                    "select exists (select from parked where consumer = 'reaction' and stream = $1"
                    " and dropped_at is null)",
                    row["stream"],
                )
                reason = "排在同一事件流已搁置的消息之后" if parked else None
                if reason is None:
                    try:
                        for process in processes:
                            if record.type in process.on:
                                await self.react(connection, process, record)
                    except (AppendFailed, msgspec.ValidationError, UnknownEventType) as error:
                        log.warning("reaction_parked", event_type=record.type, error=describe(error))
                        reason = describe(error)
                if reason is not None:
                    await connection.execute(
                        "insert into parked (consumer, source, stream, log_id, position, record, reason)"
                        " values ('reaction', $1, $2, $3, $4, $5, $6)",
                        row["source"],
                        row["stream"],
                        record.log_id,
                        row["position"],
                        row["record"],
                        reason,
                    )
                reached(FaultPoint.REACT_DONE)
                await connection.execute("delete from reaction where id = $1", row["id"])
        return len(rows)


async def set_timer(connection: asyncpg.Connection, process: str, timer: SetTimer) -> None:
    await connection.execute(
        "insert into timer (process, key, due_at, payload) values ($1, $2, $3, $4)"
        " on conflict (process, key) do update set due_at = excluded.due_at, payload = excluded.payload",
        process,
        timer.key,
        timer.due_at,
        timer.payload,
    )


async def wake_due(pool: asyncpg.Pool, reactor: Reactor, processes: Sequence[Process], now: datetime) -> int:
    """Wake every process whose timer is due at `now`; returns how many timers were taken."""
    known = {process.name: process for process in processes}
    rows = await pool.fetch(
        "select process, key, due_at, payload from timer where due_at <= $1 and process = any ($2)"
        " order by due_at, process, key limit 100",
        now,
        list(known),
    )
    for row in rows:
        reached(FaultPoint.TIMER_TAKEN)
        await reactor.wake(known[row["process"]], row["key"], row["due_at"], row["payload"])
        reached(FaultPoint.TIMER_DONE)
        await pool.execute(
            "delete from timer where process = $1 and key = $2 and due_at = $3",
            row["process"],
            row["key"],
            row["due_at"],
        )
    return len(rows)


def nothing_to_do(work: Work) -> Answer | Rejection:
    """The answer of a process's handler that finds its work done."""
    return Answer(204, b"")
