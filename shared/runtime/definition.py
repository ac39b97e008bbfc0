"""What a service consists of, as its `wiring.py` puts it together."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fastapi import APIRouter

from shared.eventstore.decider import Aggregate, Upcast
from shared.eventstore.listing import Lister
from shared.eventstore.process import Process
from shared.eventstore.projections import Projection
from shared.eventstore.record import EventTypes
from shared.eventstore.store import Store
from shared.eventstore.work import View
from shared.messaging.heads import HeadEffect
from shared.messaging.inbox import Effect
from shared.messaging.intake import Listens
from shared.runtime.long_work import LongWork, Operations
from shared.runtime.settings import Settings
from shared.vault.rotation import Wrapped
from shared.web.peers import Peers
from shared.web.signing.guard import KeyOf
from shared.web.signing.profile import Policy


@dataclass(frozen=True, kw_only=True)
class SignedExchange:
    """Signed exchange with partners. Needs the table `used_nonce` in the service's database.

    `key_of(store, peers)` makes, once per process, what finds a client's approved signature key by its id.
    """

    key_of: Callable[[Store, Peers], KeyOf]
    policy: Policy = field(default_factory=Policy)


class Surroundings(NamedTuple):
    """What a service's own workers are given: its store, its peers, its settings and its long work."""

    store: Store
    peers: Peers
    settings: Settings
    operations: Operations


Worker = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, kw_only=True)
class ServiceDefinition:
    """A service: its aggregates, what it lists, what it hears from others, what it makes happen, and its routes.

    `effect` replaces the ordinary intake, for a consumer that keeps every event (the archive).
    """

    name: str
    title: str
    aggregates: Sequence[Aggregate[Any]]
    routers: Sequence[APIRouter]
    listers: Sequence[Lister] = ()
    listing_version: int = 1
    """Raised with any change of what `listers` show: the lists are then built anew beside the live ones."""
    projections: Callable[[EventTypes], Sequence[Projection]] = field(default=lambda types: ())
    """Read models of the service's own beside the lists; each needs its row in `projection_build`."""
    upcasts: Sequence[Upcast] = ()
    """How events of older versions are read as those of newer ones."""
    views: Sequence[View[Any]] = ()
    """How answers show streams: an answer that is a view is made again for a repeated request, not kept."""
    wrapped: Sequence[Wrapped] = ()
    """Columns of the service's own tables that hold something wrapped under its master key."""
    limits_apart: frozenset[str] = frozenset()
    """Scopes of unique limits that no event may carry, such as keyed hashes; a rebuild leaves them alone."""
    tables_apart: Sequence[str] = ()
    """Tables of the service's own whose rows follow from no event; after a restore the database put aside has them."""
    sources: Sequence[str] = ()
    listens: Sequence[Listens[Any]] = ()
    processes: Sequence[Process] = ()
    effect: Callable[[], Effect] | None = None
    heads: HeadEffect | None = None
    """What is made of the signed heads that `sources` publish; None: they are not read."""
    outside: Callable[[Surroundings], object] = field(default=lambda around: around.peers)
    """What the service's processes may ask (`Ask`), and its long work works with."""
    long_work: Callable[[Surroundings], Mapping[str, LongWork]] = field(default=lambda around: {})
    """The kinds of long work that the service has beside those of every service."""
    workers: Callable[[Surroundings], Mapping[str, Worker]] = field(default=lambda around: {})
    """What the service does of its own accord beside all that every service does, by name, until it is cancelled."""
    signing: SignedExchange | None = None
    """How partners' messages are verified and answers to them signed; None: there are no `@signed` routes."""
