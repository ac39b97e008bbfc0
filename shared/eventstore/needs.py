"""What a command needs loaded before it can be decided, and what the load found."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, TypeVar
from uuid import UUID

import msgspec

from shared.eventstore.decider import Event

F = TypeVar("F", bound=msgspec.Struct)


class Fact(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a service keeps of another service's events. The class name is the kind under which it is stored."""


ANSWER_TTL = timedelta(hours=48)


class IdempotencyKey(msgspec.Struct, frozen=True):
    """A client's key for one request, with the fingerprint of the request that it belongs to.

    `keep` is how long the answer is kept for a repetition.
    """

    client: str
    key: str
    fingerprint: bytes
    keep: timedelta = ANSWER_TTL


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """Streams to fold and rows to look up, all fetched in one round trip.

    `unique` and `bounded` are (scope, key); `facts` are (kind, key); `rows` are (view, key); `subjects` are those
    whose personal data the command will seal.
    """

    streams: tuple[str, ...] = ()
    unique: tuple[tuple[str, str], ...] = ()
    bounded: tuple[tuple[str, str], ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, str], ...] = ()
    subjects: tuple[str, ...] = ()

    def plus(self, other: "Needs") -> "Needs":
        """The same with what another needs as well."""
        return Needs(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})

    def also(
        self,
        *,
        unique: Iterable[tuple[str, str]] = (),
        bounded: Iterable[tuple[str, str]] = (),
    ) -> "Needs":
        """The same with more limits to look at: what a conflict pointed out."""
        return self.plus(Needs(unique=tuple(unique), bounded=tuple(bounded)))


NOTHING = Needs()


def fact_of(kind: type[Fact], key: str) -> tuple[str, str]:
    """A need for a fact: `Needs(facts=(fact_of(CertificateFact, number),))`."""
    return kind.__name__, key


class StoredEvent(NamedTuple):
    """An event of a loaded stream with what identifies it."""

    id: UUID
    version: int
    event: Event
    recorded_at: datetime


class StoredAnswer(NamedTuple):
    fingerprint: bytes
    answer: bytes


class Found:
    """What the load of one group found; shared by the commands of the group and never changed by them."""

    __slots__ = ("answers", "bounded", "clock", "events", "facts", "rows", "subjects", "unique")

    def __init__(self) -> None:
        self.events: dict[str, list[StoredEvent]] = {}
        self.unique: dict[tuple[str, str], str] = {}
        self.bounded: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
        self.facts: dict[tuple[str, str], bytes] = {}
        self.rows: dict[tuple[str, str], bytes] = {}
        self.subjects: dict[str, bytes | None] = {}
        self.answers: dict[tuple[str, str], StoredAnswer] = {}
        self.clock: datetime | None = None
