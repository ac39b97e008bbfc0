"""The store: carry out commands, two round trips each, both grouped."""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog

from shared.eventstore.calls import APPEND, LOAD, Appending, Context, append_arguments, load_arguments
from shared.eventstore.decider import Aggregate, Rejection, Upcast
from shared.eventstore.grouping import Grouped
from shared.eventstore.interruptions import Contended, TwinStillRunning
from shared.eventstore.needs import Found, IdempotencyKey, Needs, StoredAnswer, StoredEvent
from shared.eventstore.record import Actor, EventTypes, UnknownEventType
from shared.eventstore.turns import HeldTurns, Turns
from shared.eventstore.work import Answer, Handler, NeedsMore, View, Work
from shared.testing.fault_points import FaultPoint, reached
from shared.values.ids import uuid7
from shared.values.personal import REDACTED, Redacted, Sealed
from shared.vault.boxes import Unreadable
from shared.vault.keys import Keyring, unseal
from shared.vault.rotation import Wrapped

ATTEMPTS = 12
PAUSE = 0.01
TWIN_PATIENCE = 5.0
VIEWED = b"viewed\0"
"""How a kept answer begins that was the view of a stream; a sealed one begins with twelve random bytes."""

log = structlog.get_logger(__name__)

_viewed = msgspec.msgpack.Decoder(tuple[int, str, int])


class KeyReused(Exception):
    """The idempotency key belongs to another request."""


class Carried(msgspec.Struct, frozen=True):
    """What came of a command: its answer or its rejection, and whether the answer was a stored one."""

    outcome: Answer | Rejection
    repeated: bool = False


class _Result(msgspec.Struct):
    outcome: str
    detail: str | None
    stored: StoredAnswer | None


class Store:
    """One service's event store on one asyncpg pool. `docs/decisions/0003` says why it is as it is."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        aggregates: Iterable[Aggregate[Any]],
        keyring: Keyring,
        *,
        upcasts: Iterable[Upcast] = (),
        views: Iterable[View[Any]] = (),
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.pool = pool
        self.types = EventTypes(aggregates, upcasts)
        self.keyring = keyring
        self._views = {view.aggregate.prefix: view for view in views}
        self.appended = asyncio.Event()
        self._wall = wall
        self._load: Grouped[tuple[Needs, IdempotencyKey | None], Found] = Grouped(
            self._load_group, retry=(asyncpg.PostgresError, UnknownEventType, msgspec.MsgspecError)
        )
        self._append: Grouped[Appending, _Result] = Grouped(
            self._append_group,
            retry=(asyncpg.PostgresError,),
            # The group may have been committed before its connection was lost.
            unless=(asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError),
        )
        self._running: dict[tuple[str, str], asyncio.Future[None]] = {}
        self._turns = Turns()

    # -- commands -------------------------------------------------------------------------------------------------

    async def carry_out(
        self, needs: Needs, handler: Handler, context: Context, key: IdempotencyKey | None = None
    ) -> Carried:
        """Load, decide, append. Writes all of the handler's events or none.

        Raises `KeyReused`, `TwinStillRunning`, `Contended`.
        """
        if key is None:
            return await self._attempt(needs, handler, context, None)
        name = (key.client, key.key)
        if name in self._running:
            await self._after_twin(name)
        mine = self._running[name] = asyncio.get_running_loop().create_future()
        try:
            return await self._attempt(needs, handler, context, key)
        finally:
            del self._running[name]
            mine.set_result(None)

    async def _attempt(self, needs: Needs, handler: Handler, context: Context, key: IdempotencyKey | None) -> Carried:
        turns = HeldTurns(self._turns)
        try:
            for attempt in range(ATTEMPTS):
                found = await self._load((needs, key))
                if key is not None and (stored := found.answers.get((key.client, key.key))) is not None:
                    return await self._stored(stored, key)
                work = Work(found, needs, self.types, self.keyring, found.clock or self._wall())
                try:
                    outcome = handler(work)
                except NeedsMore as more:
                    needs = needs.plus(more.missing)
                    continue
                if isinstance(outcome, Rejection) or not work.events:
                    return Carried(outcome)
                kept = None if key is None else self._kept(outcome, key)
                result = await self._append(Appending(work, context, key, kept))
                match result.outcome:
                    case "ok":
                        self.appended.set()
                        return Carried(outcome)
                    case "repeated":
                        assert key is not None
                        assert result.stored is not None
                        return await self._stored(result.stored, key)
                    case "version":
                        if result.detail is not None:
                            await turns.take(result.detail)
                        await asyncio.sleep(random.random() * PAUSE * attempt)
                    case _:
                        needs = _widened(needs, result)
        finally:
            turns.give_back()
        raise Contended

    def _kept(self, answer: Answer, key: IdempotencyKey) -> bytes:
        """What is kept of an answer: where to look for what it showed, or all of it, sealed."""
        if answer.viewed:
            return VIEWED + msgspec.msgpack.encode((answer.status, answer.stream, answer.version))
        return self.keyring.seal_answer(msgspec.msgpack.encode(answer), answer_name(key.client, key.key))

    async def _stored(self, stored: StoredAnswer, key: IdempotencyKey) -> Carried:
        if stored.fingerprint != key.fingerprint:
            raise KeyReused
        if stored.answer.startswith(VIEWED):
            status, stream, version = _viewed.decode(stored.answer[len(VIEWED) :])
            view = self._views[stream.partition("_")[0]]
            history = (await self.look(Needs(streams=(stream,)))).history(stream)
            state = view.aggregate.fold(stored.event for stored in history[:version])
            return Carried(view.of(stream, state, version, status), repeated=True)
        answer = self.keyring.open_answer(stored.answer, answer_name(key.client, key.key))
        return Carried(msgspec.msgpack.decode(answer, type=Answer), repeated=True)

    async def _after_twin(self, name: tuple[str, str]) -> None:
        """Wait for a twin in this process; those of other processes are waited for at the row."""
        try:
            async with asyncio.timeout(TWIN_PATIENCE):
                while (running := self._running.get(name)) is not None:
                    await asyncio.shield(running)
        except TimeoutError:
            raise TwinStillRunning from None

    # -- reading --------------------------------------------------------------------------------------------------

    async def look(self, needs: Needs) -> Work:
        """The same view that a command has, for answers that must be current; grouped like commands."""
        found = await self._load((needs, None))
        return Work(found, needs, self.types, self.keyring, found.clock or self._wall())

    async def now(self) -> datetime:
        """The business clock, UTC."""
        return (await self.look(Needs())).now

    async def holders_under(self, scope: str, prefix: str) -> list[str]:
        """Who holds unique limits of a scope whose keys begin so: committed, like every limit, with the events."""
        rows = await self.pool.fetch(
            "select distinct holder from limit_unique where scope = $1 and key ^@ $2 and holder is not null",
            scope,
            prefix,
        )
        return sorted(row["holder"] for row in rows)

    async def disclose(self, values: Sequence[tuple[UUID, Sealed[Any]]]) -> list[Any | Redacted]:
        """Open sealed values, each given with its event's id; `REDACTED` where the key is gone.

        A key that was lost with a database is gone as well, even where its subject has been given a new one.
        """
        subjects = tuple({value.subject for _, value in values})
        found = await self._load((Needs(subjects=subjects), None))
        opened: list[Any | Redacted] = []
        for event_id, value in values:
            wrapped = found.subjects.get(value.subject)
            if wrapped is None:
                opened.append(REDACTED)
            else:
                try:
                    opened.append(unseal(self.keyring.key(value.subject, wrapped), value, event_id))
                except Unreadable:
                    log.error("sealed_value_unreadable", event_id=str(event_id), field=value.field)
                    opened.append(REDACTED)
        return opened

    async def erase(self, subject: str) -> bool:
        """Destroy a subject's key; what it sealed reads `Redacted` from now on. False: there was none.

        Either way nothing of this subject is taken in again.
        """
        had: bool = await self.pool.fetchval("select erase_subject($1)", subject)
        self.keyring.forget(subject)
        return had

    # -- the two round trips --------------------------------------------------------------------------------------

    async def _load_group(self, group: Sequence[tuple[Needs, IdempotencyKey | None]]) -> Sequence[Found]:
        found = Found()
        rows = await self._fetch(LOAD, *load_arguments(group))
        decode = self.types.decode
        for part, a, b, n, x, d, e, at, used, bound in rows:
            match part:
                case b"s":
                    stored = StoredEvent(UUID(b), n, decode(x, d), at)
                    found.events.setdefault(a, []).append(stored)
                case b"f":
                    found.facts[a, b] = d
                case b"u":
                    found.unique[a, b] = x
                case b"r":
                    found.rows[a, b] = d
                case b"k":
                    found.subjects[a] = d
                case b"p":
                    found.bounded[a, b] = (used, bound)
                case b"i":
                    found.answers[a, b] = StoredAnswer(d, e)
                case b"c":
                    found.clock = at
        return [found] * len(group)

    async def _append_group(self, group: Sequence[Appending]) -> Sequence[_Result]:
        reached(FaultPoint.APPEND_DECIDED)
        rows = await self._fetch(APPEND, *append_arguments(group))
        reached(FaultPoint.APPEND_COMMITTED)
        return [
            _Result(
                row["outcome"],
                row["detail"],
                StoredAnswer(row["fingerprint"], row["answer"]) if row["answer"] is not None else None,
            )
            for row in rows
        ]

    async def _fetch(self, query: str, *arguments: object) -> list[Any]:
        async with self.pool.acquire() as connection:
            return list(await connection.fetch(query, *arguments))


def answer_name(client: str, key: str) -> str:
    """What a kept answer is bound to."""
    return f"{client}\n{key}"


WRAPPED = (
    Wrapped("subject_key", ("subject",), "wrapped", str),
    Wrapped("idempotency", ("client", "key"), "answer", answer_name, foreign=VIEWED),
)
"""What the kernel's tables hold that is wrapped under the master key."""


def _widened(needs: Needs, result: _Result) -> Needs:
    """Look also at what the conflict was about, so that the next decision sees it."""
    if result.outcome == "limit":
        conflict = msgspec.json.decode(result.detail or "{}")
        name = (conflict["scope"], conflict["key"])
        return needs.also(unique=(name,), bounded=(name,))
    if result.outcome == "subject" and result.detail not in needs.subjects:
        return msgspec.structs.replace(needs, subjects=(*needs.subjects, str(result.detail)))
    return needs


def new_context(actor: Actor) -> Context:
    """A context that starts a correlation of its own."""
    return Context(actor=actor, correlation_id=uuid7())
