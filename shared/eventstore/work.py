"""One command being carried out: what was loaded for it, and what it will write."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar, cast
from uuid import UUID

import msgspec

from shared.eventstore.decider import (
    Aggregate,
    Event,
    LimitChange,
    Rejection,
    Release,
    ReleasePlace,
    SetBound,
    Take,
    TakePlace,
    Use,
)
from shared.eventstore.needs import NOTHING, Fact, Found, Needs, StoredEvent
from shared.eventstore.record import EventTypes, encode_payload
from shared.values.ids import uuid7
from shared.values.personal import Clear, Sealed
from shared.vault.keys import Keyring, seal

S = TypeVar("S")
F = TypeVar("F", bound=Fact)
V = TypeVar("V", bound=msgspec.Struct)


class Answer(msgspec.Struct, frozen=True):
    """What the caller is told: an HTTP status and the JSON bytes of the body. `stream` is what it is about."""

    status: int
    body: bytes
    stream: str | None = None
    version: int = 0
    viewed: bool = False
    """Whether `body` is what the `View` of the stream's kind makes of it: then it can be made again at any time."""


class View(NamedTuple, Generic[S]):
    """How the state of a stream is shown to callers: `show(stream, state)` becomes JSON."""

    aggregate: Aggregate[S]
    show: Callable[[str, S], Any]

    def of(self, stream: str, state: S, version: int, status: int = 200) -> Answer:
        """The answer that shows a stream as it is at `version`."""
        return Answer(status, msgspec.json.encode(self.show(stream, state)), stream, version, viewed=True)


MAX_EVENT = 256 * 1024

Handler = Callable[["Work"], Answer | Rejection]


class StreamWrite(NamedTuple):
    stream: str
    expected: int
    version: int


class EventWrite(NamedTuple):
    stream: str
    version: int
    id: UUID
    type: str
    payload: bytes


class LimitWrite(NamedTuple):
    """`take` or `release` of one unique key."""

    op: str
    scope: str
    key: str
    holder: str


class BoundWrite(NamedTuple):
    """`set_bound` or `use` of one bounded key, CNY."""

    op: str
    scope: str
    key: str
    amount: Decimal


class RowWrite(NamedTuple):
    view: str
    key: str
    value: bytes | None


class _Open:
    __slots__ = ("expected", "state", "version")

    def __init__(self, state: Any, version: int) -> None:
        self.state = state
        self.expected = version
        self.version = version


class Work:
    """A command's view of the store.

    A handler reads states, facts and limits, decides, and appends; nothing leaves the process until it has
    returned an answer. It may run again on a fresh load when another command got in first, so it has no side
    effects of its own. `now` is the business clock, UTC.
    """

    __slots__ = (
        "_found",
        "_keyring",
        "_keys",
        "_needs",
        "_open",
        "_types",
        "bounds",
        "events",
        "limits",
        "new_keys",
        "now",
        "rows",
    )

    def __init__(self, found: Found, needs: Needs, types: EventTypes, keyring: Keyring, now: datetime) -> None:
        self._found = found
        self._needs = needs
        self._types = types
        self._keyring = keyring
        self._open: dict[str, _Open] = {}
        self.now = now
        self.events: list[EventWrite] = []
        self.limits: list[LimitWrite] = []
        self.bounds: list[BoundWrite] = []
        self.rows: list[RowWrite] = []
        self.new_keys: dict[str, bytes] = {}
        self._keys: dict[str, bytes] = {}

    # -- reading --------------------------------------------------------------------------------------------------

    def state(self, aggregate: Aggregate[S], stream: str) -> S:
        """The stream's state now, the events of this command included; the initial state for a new stream.

        Raises `NoSuchStream` for an id of another kind, whose events must not be folded as this aggregate's.
        """
        opened = self._open.get(stream)
        if opened is None:
            if not stream.startswith(f"{aggregate.prefix}_"):
                raise NoSuchStream(stream)
            stored = self._found.events.get(stream, ())
            state = aggregate.fold(item.event for item in stored)
            opened = self._open[stream] = _Open(state, stored[-1].version if stored else 0)
        return cast(S, opened.state)

    def exists(self, stream: str) -> bool:
        opened = self._open.get(stream)
        return bool(self._found.events.get(stream)) or (opened is not None and opened.version > 0)

    def version(self, stream: str) -> int:
        """The stream's version, the events of this command included."""
        opened = self._open.get(stream)
        if opened is not None:
            return opened.version
        stored = self._found.events.get(stream)
        return stored[-1].version if stored else 0

    def loaded_version(self, stream: str) -> int:
        """The version of a stream before this command; 0 for a new one."""
        stored = self._found.events.get(stream)
        return stored[-1].version if stored else 0

    def history(self, stream: str) -> Sequence[StoredEvent]:
        """The events loaded for a stream."""
        return self._found.events.get(stream, ())

    def fact(self, kind: type[F], key: str) -> F | None:
        """What another service told us, or None when it has not (yet)."""
        value = self._found.facts.get((kind.__name__, key))
        return None if value is None else msgspec.json.decode(value, type=kind)

    def row(self, view: str, key: str, kind: type[V]) -> V | None:
        """A row of an inline projection."""
        value = self._found.rows.get((view, key))
        return None if value is None else cast(V, _row(value, kind))

    def holder(self, scope: str, key: str) -> str | None:
        """Who holds a unique limit; it must have been named in `Needs.unique`, or have caused a conflict before."""
        return self._found.unique.get((scope, key))

    def holders(self, scope: str, key: str, places: int) -> list[str]:
        """Who holds the places `key/1 … key/n`."""
        held = (self._found.unique.get((scope, f"{key}/{place}")) for place in range(1, places + 1))
        return [holder for holder in held if holder is not None]

    def used(self, scope: str, key: str) -> Decimal:
        """How much of a bounded limit is used, CNY."""
        return self._found.bounded.get((scope, key), (Decimal(0), Decimal(0)))[0]

    def left(self, scope: str, key: str) -> Decimal:
        """How much of a bounded limit is left, CNY."""
        used, bound = self._found.bounded.get((scope, key), (Decimal(0), Decimal(0)))
        return bound - used

    def require(
        self,
        *streams: str,
        facts: Iterable[tuple[str, str]] = (),
        unique: Iterable[tuple[str, str]] = (),
        bounded: Iterable[tuple[str, str]] = (),
        rows: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Make sure that these are loaded; the handler is run again, with them, when they were not."""
        known = self._needs
        missing = Needs(
            streams=tuple(item for item in streams if item not in known.streams),
            facts=tuple(item for item in facts if item not in known.facts),
            unique=tuple(item for item in unique if item not in known.unique),
            bounded=tuple(item for item in bounded if item not in known.bounded),
            rows=tuple(item for item in rows if item not in known.rows),
        )
        if missing != NOTHING:
            raise NeedsMore(missing)

    # -- writing --------------------------------------------------------------------------------------------------

    def append(self, aggregate: Aggregate[S], stream: str, events: Iterable[Event]) -> S:
        """Add events to a stream and return its new state; limits and inline rows follow from the events."""
        state = self.state(aggregate, stream)
        opened = self._open[stream]
        for event in events:
            for change in aggregate.limits(state, event):
                self.hold(change, stream)
            state = aggregate.evolve(state, event)
            opened.version += 1
            event_id = uuid7()
            payload = encode_payload(event, lambda clear, n, event_id=event_id: self._seal(clear, event_id, n))  # type: ignore[misc]
            if len(payload) > MAX_EVENT:
                raise OversizedEvent(f"{self._types.tag(event)}: {len(payload)} bytes")
            self.events.append(EventWrite(stream, opened.version, event_id, self._types.tag(event), payload))
            for row in aggregate.rows(stream, state, event):
                value = None if row.value is None else msgspec.json.encode(row.value)
                self.rows.append(RowWrite(row.view, row.key, value))
        opened.state = state
        return state

    def hold(self, change: LimitChange, holder: str) -> None:
        """Change a limit. Called for events' limits, and directly for one that no event may carry (a keyed hash)."""
        match change:
            case Take(scope, key):
                self.limits.append(LimitWrite("take", scope, key, holder))
            case Release(scope, key):
                self._release(scope, key, holder)
            case TakePlace(scope, key, places):
                self.limits.append(LimitWrite("take", scope, self._free_place(scope, key, places), holder))
            case ReleasePlace(scope, key, places):
                for place in range(1, places + 1):
                    self._release(scope, f"{key}/{place}", holder)
            case SetBound(scope, key, bound):
                self.bounds.append(BoundWrite("set_bound", scope, key, bound))
            case Use(scope, key, amount):
                self.bounds.append(BoundWrite("use", scope, key, amount))

    def _release(self, scope: str, key: str, holder: str) -> None:
        """Give back a key: one that this very command took was never taken."""
        taken = LimitWrite("take", scope, key, holder)
        if taken in self.limits:
            self.limits.remove(taken)
        else:
            self.limits.append(LimitWrite("release", scope, key, holder))

    def _free_place(self, scope: str, key: str, places: int) -> str:
        """The first place that nobody was seen to hold; a wrong guess is a conflict, after which more is seen."""
        names = [f"{key}/{place}" for place in range(1, places + 1)]
        return next((name for name in names if self._is_free(scope, name)), names[0])

    def _is_free(self, scope: str, key: str) -> bool:
        mine = [item for item in self.limits if item.scope == scope and item.key == key]
        if any(item.op == "take" for item in mine):
            return False
        held_by = self._found.unique.get((scope, key))
        return held_by is None or LimitWrite("release", scope, key, held_by) in mine

    def streams(self) -> list[StreamWrite]:
        """The streams that this command adds events to."""
        return [
            StreamWrite(stream, opened.expected, opened.version)
            for stream, opened in self._open.items()
            if opened.version > opened.expected
        ]

    def _seal(self, clear: Clear[Any], event_id: UUID, field: int) -> Sealed[Any]:
        return seal(self._key(clear.subject), clear, event_id, field)

    def _key(self, subject: str) -> bytes:
        key = self._keys.get(subject)
        if key is None:
            if subject not in self._found.subjects:
                key, self.new_keys[subject] = self._keyring.new_key(subject)
            elif (wrapped := self._found.subjects[subject]) is not None:
                key = self._keyring.key(subject, wrapped)
            else:
                raise ErasedSubject(subject)
            self._keys[subject] = key
        return key


@lru_cache(maxsize=512)
def _row(value: bytes, kind: type[msgspec.Struct]) -> msgspec.Struct:
    """Rows are frozen, and some, such as the policies in force, are read by every command."""
    return msgspec.json.decode(value, type=kind)


class NeedsMore(Exception):
    """A handler found out, from what was loaded, what else it needs: it runs again with that as well."""

    def __init__(self, missing: Needs) -> None:
        super().__init__(missing)
        self.missing = missing


class NoSuchStream(Exception):
    """An id of another kind stood where this aggregate's was expected: there is no such thing."""


class OversizedEvent(Exception):
    """An event past 256 KiB: a list in it should have been chunked."""


class ErasedSubject(Exception):
    """Personal data of a person whose key has been destroyed cannot be taken in again."""


def fingerprint(*parts: bytes) -> bytes:
    """What tells two requests under one idempotency key apart."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()
