"""What loans keeps of registry's partner clients: the keys with which banks sign their messages."""

from collections.abc import Callable, Iterable

from msgspec.structs import replace as _replace

from shared.eventstore.needs import Fact
from shared.eventstore.record import Record
from shared.messaging.intake import Foreign, Listens, Note
from shared.web.signing.keys import PublicKey, UnusableKey, public_key

SIGNATURE = "signature"

# -- the fact ----------------------------------------------------------------------------------------------------------


class ApprovedKey(Fact, frozen=True):
    kid: str
    public_key: dict[str, str]


class PartnerFact(Fact, frozen=True):
    """Keyed by the client, as its token names it. Several keys at once, so that one can replace another in peace."""

    client: str
    keys: tuple[ApprovedKey, ...] = ()
    suspended: bool = False


def found_in(keys: Iterable[ApprovedKey], kid: str) -> PublicKey | None:
    """The key of this id; None also for a key that is not of our kinds."""
    for key in keys:
        if key.kid == kid:
            try:
                return public_key(key.public_key, kid)
            except UnusableKey:
                return None
    return None


# -- the foreign events, as far as we use them -------------------------------------------------------------------------


class ClientKeyApproved(Foreign, frozen=True):
    """`public_key` is a JWK."""

    client: str
    kid: str
    use: str
    public_key: dict[str, str]


class ClientKeyRevoked(Foreign, frozen=True):
    client: str
    kid: str


class ClientSuspended(Foreign, frozen=True):
    client: str


class ClientResumed(Foreign, frozen=True):
    client: str


# -- what we note of them ----------------------------------------------------------------------------------------------


def _of(client: str, change: Callable[[PartnerFact], PartnerFact]) -> Iterable[Note]:
    yield Note(PartnerFact, client, lambda known: change(known or PartnerFact(client)))


def _approved(_: Record, event: ClientKeyApproved) -> Iterable[Note]:
    """Keys for tokens are none of ours; that the client is known is."""

    def change(partner: PartnerFact) -> PartnerFact:
        if event.use != SIGNATURE:
            return partner
        return _replace(partner, keys=(*_without(partner, event.kid), ApprovedKey(event.kid, event.public_key)))

    return _of(event.client, change)


def _revoked(_: Record, event: ClientKeyRevoked) -> Iterable[Note]:
    return _of(event.client, lambda partner: _replace(partner, keys=_without(partner, event.kid)))


def _suspended(_: Record, event: ClientSuspended) -> Iterable[Note]:
    return _of(event.client, lambda partner: _replace(partner, suspended=True))


def _resumed(_: Record, event: ClientResumed) -> Iterable[Note]:
    return _of(event.client, lambda partner: _replace(partner, suspended=False))


def _without(partner: PartnerFact, kid: str) -> tuple[ApprovedKey, ...]:
    return tuple(key for key in partner.keys if key.kid != kid)


LISTENS = (
    Listens("registry.ClientKeyApproved.v1", ClientKeyApproved, _approved),
    Listens("registry.ClientKeyRevoked.v1", ClientKeyRevoked, _revoked),
    Listens("registry.ClientSuspended.v1", ClientSuspended, _suspended),
    Listens("registry.ClientResumed.v1", ClientResumed, _resumed),
)
