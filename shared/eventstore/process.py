"""Processes: what one event makes another aggregate or clock do.

A process is a pure function from a record to reactions, `reactions.py` carries them out. Each command has the id
`UUIDv5(process, event, n)`, which is its idempotency key, so repeating a reaction changes nothing. Events of one
stream are served in order; those of different streams in any, so a process must come to the same end either way.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import msgspec
import structlog

from shared.eventstore.calls import Context
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import IdempotencyKey, Needs
from shared.eventstore.record import Actor, Record
from shared.eventstore.store import Store
from shared.eventstore.work import Handler, fingerprint

log = structlog.get_logger(__name__)

PROCESS_NAMESPACE = UUID("6f0f3a52-64c1-5e0b-9a52-0c9b6f3d7a11")
ANSWER_KEPT = timedelta(days=400)
"""A reaction is repeated when its process was killed between the command and the note that it was done, so what it
did must be known for longer than any outage lasts."""


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

    `ask(outside)` may do I/O; what it changes must bear being done again, such as the destruction of a key. `outside`
    is what the service's wiring provides. When it raises `AskLater`, the events behind it on its stream wait and it is
    asked again.
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
    """Carries out what processes make of events and timers, through the store."""

    def __init__(self, store: Store, processes: Sequence[Process], outside: object = None) -> None:
        self._store = store
        self._outside = outside
        self.processes = {process.name: process for process in processes}
        self._on = frozenset(tag for process in processes for tag in process.on)

    def listens_to(self, tag: str) -> bool:
        """Whether any process does; also to older versions of what it listens to."""
        return self._store.types.newest(tag) in self._on

    async def react(self, record: Record) -> list[tuple[str, SetTimer]]:
        """Carry out the commands of every process that listens to a record; returns the timers that it wants set.

        Repeating it changes nothing. Raises `AskLater` when someone who must be asked cannot answer now.
        """
        timers = []
        tag = self._store.types.newest(record.type)
        for process in self.processes.values():
            if tag in process.on:
                for number, reaction in enumerate(process.react(record)):
                    match reaction:
                        case Command():
                            await self._command(process.name, str(record.id), number, reaction, record)
                        case SetTimer():
                            timers.append((process.name, reaction))
                        case Ask():
                            command = await reaction.ask(self._outside)
                            if command is not None:
                                await self._command(process.name, str(record.id), number, command, record)
        return timers

    async def wake(self, process: str, key: str, due_at: datetime, payload: bytes) -> None:
        """Carry out what a process does when a timer is due."""
        for number, command in enumerate(self.processes[process].wake(key, payload)):
            await self._command(process, f"{key}@{due_at.isoformat()}", number, command, None)

    async def _command(self, process: str, cause: str, number: int, command: Command, record: Record | None) -> None:
        name = uuid5(PROCESS_NAMESPACE, f"{process}\n{cause}\n{number}")
        context = Context(
            actor=Actor(f"process:{process}"),
            correlation_id=(record.correlation_id if record is not None else None) or name,
            causation_id=None if record is None else record.id,
            traceparent=None if record is None else record.traceparent,
        )
        key = IdempotencyKey(f"process:{process}", str(name), fingerprint(b""), ANSWER_KEPT)
        carried = await self._store.carry_out(command.needs, command.handler, context, key)
        if isinstance(carried.outcome, Rejection):
            log.info("reaction_rejected", process=process, code=carried.outcome.code)
