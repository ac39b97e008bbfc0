"""What a domain file is made of: events, rejections, and the limits that follow from events.

A domain is three pure functions and no base class: `initial() -> State`, `evolve(state, event) -> State` and
`decide(command, state) -> Decision`. This module imports nothing that does I/O, so that `domain/` may import it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

S = TypeVar("S")


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that happened, in the past tense.

    Subclasses name themselves for storage: `class ClaimSubmitted(Event, frozen=True, tag="subsidy.ClaimSubmitted.v1")`.
    The tag is the storage format: it is never renamed and never changes its meaning.
    """


class FieldError(msgspec.Struct, frozen=True):
    """One field of a request and what is wrong with it, `pointer` as a JSON pointer (RFC 6901)."""

    pointer: str
    code: str
    detail: str


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """A command that may not happen: a value with a stable code, never an exception.

    `status` is the HTTP status that the edge answers with; `extensions` go into the problem document.
    """

    code: str
    detail: str
    status: int = 409
    fields: tuple[FieldError, ...] = ()
    extensions: dict[str, str | int | list[str]] = {}


Decision = Sequence[Event] | Rejection


# -- limits: what may hold at most once, or up to a bound; they follow from events by a pure function ----------------


class Take(msgspec.Struct, frozen=True):
    """Hold the only place under `(scope, key)`."""

    scope: str
    key: str


class Release(msgspec.Struct, frozen=True):
    """Give back what `Take` took."""

    scope: str
    key: str


class TakePlace(msgspec.Struct, frozen=True):
    """Hold one of `places` places `key/1 … key/n`; which one is chosen where the rows are locked."""

    scope: str
    key: str
    places: int


class ReleasePlace(msgspec.Struct, frozen=True):
    """Give back the place that this stream holds among `key/1 … key/n`."""

    scope: str
    key: str
    places: int


class SetBound(msgspec.Struct, frozen=True):
    """The most that may be used under `(scope, key)`: a budget, a ceiling, a fund."""

    scope: str
    key: str
    bound: Decimal


class Use(msgspec.Struct, frozen=True):
    """Use `amount` (negative: give back) of what `SetBound` set; `used + amount <= bound` must hold."""

    scope: str
    key: str
    amount: Decimal


LimitChange = Take | Release | TakePlace | ReleasePlace | SetBound | Use


class Row(msgspec.Struct, frozen=True):
    """A row of an inline projection, written in the transaction of the event; `value` None deletes it."""

    view: str
    key: str
    value: msgspec.Struct | None


def no_limits(state: Any, event: Any) -> Iterable[LimitChange]:
    return ()


def no_rows(stream: str, state: Any, event: Any) -> Iterable[Row]:
    return ()


def by_type(steps: Mapping[type[Event], Callable[[S, Any], S]]) -> Callable[[S, Event], S]:
    """An `evolve` that knows its step by the event's class.

    For long unions: a `match` asks one class after another, which costs a fold of twenty of them half its time.
    """

    def evolve(state: S, event: Event) -> S:
        return steps[type(event)](state, event)

    return evolve


@dataclass(frozen=True)
class Aggregate(Generic[S]):
    """A kind of stream: the prefix of its ids, its events, and its pure functions.

    `limits(state before, event)` and `rows(stream, state after, event)` are functions of events alone, so both
    tables can be rebuilt from the log and compared with the live ones.
    """

    prefix: str
    events: tuple[type[Event], ...]
    initial: Callable[[], S]
    evolve: Callable[[S, Any], S]
    limits: Callable[[S, Any], Iterable[LimitChange]] = field(default=no_limits)
    rows: Callable[[str, S, Any], Iterable[Row]] = field(default=no_rows)

    def fold(self, events: Iterable[Event], state: S | None = None) -> S:
        """The state after `events`, from `state` or from the beginning."""
        current = self.initial() if state is None else state
        for event in events:
            current = self.evolve(current, event)
        return current


# -- older versions of events: read as the newest, stored as they were first written ---------------------------------


Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


class Upcast(NamedTuple):
    """Events tagged `old` are read as events tagged `new`, `by` a function of the JSON object."""

    old: str
    new: str
    by: Upcaster
