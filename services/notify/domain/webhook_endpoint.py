"""WebhookEndpoint: an address of a system's own at which it wants to hear of messages.   (Standard Webhooks)

Nothing that it is owed is lost while it is disabled; a removed one is owed nothing any more.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from shared.eventstore.decider import (
    Aggregate,
    Decision,
    Event,
    LimitChange,
    Rejection,
    Release,
    ReleasePlace,
    Take,
    TakePlace,
)
from shared.values.personal import Personal

Signature = Literal["v1", "v1a"]
Status = Literal["enabled", "disabled", "removed"]
Reason = Literal["asked", "gone", "failing"]

MOST_ENDPOINTS: Final = 10
"""How many a system may have at a time."""
MOST_KEPT: Final = 500
"""How many changes an endpoint may see in its life; then another has to be registered."""
OVERLAP: Final = timedelta(hours=24)
"""How long a secret goes on signing beside the one that has replaced it, by the wall clock."""

MOST_SECRETS: Final = 5
"""How many sign at a time, when one is replaced again and again."""

# -- events: what happened; the names are the storage format -------------------------------------------------------


class WebhookEndpointRegistered(Event, frozen=True, tag="notify.WebhookEndpointRegistered.v1"):
    """`types` are those of the messages that are wanted, all when empty. The secret's subject is the endpoint."""

    endpoint_id: str
    client: str
    url: str
    types: tuple[str, ...]
    signature: Signature
    secret: Personal[str]
    public_key: str | None = None


class WebhookTypesChosen(Event, frozen=True, tag="notify.WebhookTypesChosen.v1"):
    """From now on messages of other types are owed; what is owed already stays so."""

    endpoint_id: str
    types: tuple[str, ...]


class WebhookSecretRotated(Event, frozen=True, tag="notify.WebhookSecretRotated.v1"):
    """The secret before goes on signing, beside the new one, until `overlaps_until` (UTC, wall clock)."""

    endpoint_id: str
    secret: Personal[str]
    overlaps_until: datetime
    public_key: str | None = None


class WebhookTestRequested(Event, frozen=True, tag="notify.WebhookTestRequested.v1"):
    """The endpoint is owed a webhook that says nothing, under the id `test_id`."""

    endpoint_id: str
    test_id: str


class WebhookEndpointDisabled(Event, frozen=True, tag="notify.WebhookEndpointDisabled.v1"):
    """Nothing is sent any more; what is owed waits. `gone`: it answered 410; `failing`: for days nothing got there."""

    endpoint_id: str
    reason: Reason


class WebhookEndpointEnabled(Event, frozen=True, tag="notify.WebhookEndpointEnabled.v1"):
    """All that is owed is sent, also what had been given up."""

    endpoint_id: str


class WebhookEndpointRemoved(Event, frozen=True, tag="notify.WebhookEndpointRemoved.v1"):
    """Nothing is owed any more. Carries what it held, so that it is given back."""

    endpoint_id: str
    client: str
    url: str


WebhookEndpointEvent = (
    WebhookEndpointRegistered
    | WebhookTypesChosen
    | WebhookSecretRotated
    | WebhookTestRequested
    | WebhookEndpointDisabled
    | WebhookEndpointEnabled
    | WebhookEndpointRemoved
)
EVENTS = (
    WebhookEndpointRegistered,
    WebhookTypesChosen,
    WebhookSecretRotated,
    WebhookTestRequested,
    WebhookEndpointDisabled,
    WebhookEndpointEnabled,
    WebhookEndpointRemoved,
)


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class WebhookSecret(msgspec.Struct, frozen=True):
    """A secret, the number of the event that holds it, and until when it signs (None: until it is replaced)."""

    value: Personal[str]
    version: int
    until: datetime | None = None


class WebhookEndpoint(msgspec.Struct, frozen=True):
    id: str | None = None
    client: str = ""
    url: str = ""
    types: tuple[str, ...] = ()
    signature: Signature = "v1"
    public_key: str | None = None
    status: Status = "enabled"
    reason: Reason | None = None
    secrets: tuple[WebhookSecret, ...] = ()
    """Newest first: the last one, and those that it has replaced less than `OVERLAP` ago."""
    version: int = 0

    def signing(self, at: datetime) -> tuple[WebhookSecret, ...]:
        """The secrets that sign at this time (UTC, wall clock), newest first."""
        return tuple(_overlapping(self.secrets, at))


def _overlapping(secrets: Iterable[WebhookSecret], at: datetime) -> Iterator[WebhookSecret]:
    return (secret for secret in secrets if secret.until is None or at < secret.until)


def evolve(endpoint: WebhookEndpoint, event: WebhookEndpointEvent) -> WebhookEndpoint:
    version = endpoint.version + 1
    match event:
        case WebhookEndpointRegistered():
            return WebhookEndpoint(
                event.endpoint_id, event.client, event.url, event.types, event.signature, event.public_key,
                secrets=(WebhookSecret(event.secret, version),), version=version,
            )  # fmt: skip
        case WebhookTypesChosen():
            return msgspec.structs.replace(endpoint, types=event.types, version=version)
        case WebhookSecretRotated():
            at = event.overlaps_until - OVERLAP
            last, *replaced = endpoint.secrets
            before = (msgspec.structs.replace(last, until=event.overlaps_until), *_overlapping(replaced, at))
            secrets = (WebhookSecret(event.secret, version), *before[: MOST_SECRETS - 1])
            return msgspec.structs.replace(endpoint, secrets=secrets, public_key=event.public_key, version=version)
        case WebhookTestRequested():
            return msgspec.structs.replace(endpoint, version=version)
        case WebhookEndpointDisabled():
            return msgspec.structs.replace(endpoint, status="disabled", reason=event.reason, version=version)
        case WebhookEndpointEnabled():
            return msgspec.structs.replace(endpoint, status="enabled", reason=None, version=version)
        case WebhookEndpointRemoved():
            return msgspec.structs.replace(endpoint, status="removed", reason=None, secrets=(), version=version)


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class RegisterEndpoint(msgspec.Struct, frozen=True):
    """`holder`: which endpoint of this client has this address already; `taken`: how many it has."""

    endpoint_id: str
    client: str
    url: str
    types: tuple[str, ...]
    signature: Signature
    secret: Personal[str]
    public_key: str | None
    holder: str | None
    taken: int


class ChooseTypes(msgspec.Struct, frozen=True):
    types: tuple[str, ...]


class RotateSecret(msgspec.Struct, frozen=True):
    """`at`: wall clock, UTC."""

    secret: Personal[str]
    public_key: str | None
    at: datetime


class RequestTest(msgspec.Struct, frozen=True):
    test_id: str


class DisableEndpoint(msgspec.Struct, frozen=True):
    reason: Reason


class EnableEndpoint(msgspec.Struct, frozen=True):
    pass


class RemoveEndpoint(msgspec.Struct, frozen=True):
    pass


WebhookEndpointCommand = (
    RegisterEndpoint | ChooseTypes | RotateSecret | RequestTest | DisableEndpoint | EnableEndpoint | RemoveEndpoint
)
UNKNOWN: Final = Rejection(code="not_found", detail="没有找到这个回调地址", status=404)


def decide(command: WebhookEndpointCommand, endpoint: WebhookEndpoint) -> Decision:
    if isinstance(command, RegisterEndpoint):
        return _register(command)
    id = endpoint.id
    if id is None or endpoint.status == "removed":
        return UNKNOWN
    if isinstance(command, DisableEndpoint):  # also where it is full: it must be possible to stop
        return [WebhookEndpointDisabled(id, command.reason)] if endpoint.status == "enabled" else []
    if isinstance(command, RemoveEndpoint):
        return [WebhookEndpointRemoved(id, endpoint.client, endpoint.url)]
    if endpoint.version >= MOST_KEPT:
        return Rejection(code="webhook_endpoint_worn", detail="这个回调地址变更次数过多，请移除后重新登记")
    match command:
        case ChooseTypes(types):
            return [] if types == endpoint.types else [WebhookTypesChosen(id, types)]
        case RotateSecret(secret, public_key, at):
            return [WebhookSecretRotated(id, secret, at + OVERLAP, public_key)]
        case EnableEndpoint():
            return [] if endpoint.status == "enabled" else [WebhookEndpointEnabled(id)]
        case RequestTest(test_id):
            if endpoint.status == "disabled":
                return Rejection(code="webhook_endpoint_disabled", detail="这个回调地址已停用，请先启用")
            return [WebhookTestRequested(id, test_id)]


def _register(command: RegisterEndpoint) -> Decision:
    if command.holder is not None:
        return Rejection(
            code="webhook_endpoint_exists", detail="这个地址已登记为回调地址", extensions={"id": command.holder}
        )
    if command.taken >= MOST_ENDPOINTS:
        return Rejection(code="too_many_webhook_endpoints", detail=f"一个系统最多登记 {MOST_ENDPOINTS} 个回调地址")
    return [
        WebhookEndpointRegistered(
            command.endpoint_id,
            command.client,
            command.url,
            command.types,
            command.signature,
            command.secret,
            command.public_key,
        )
    ]


ADDRESS: Final = "webhook/url"
PLACE: Final = "webhook/endpoint"


def address_of(client: str, url: str) -> str:
    """What is taken once: an address of a client."""
    return f"{client} {url}"


def limits(endpoint: WebhookEndpoint, event: WebhookEndpointEvent) -> tuple[LimitChange, ...]:
    """An address once, and few of them, for each client."""
    match event:
        case WebhookEndpointRegistered(client=client, url=url):
            return Take(ADDRESS, address_of(client, url)), TakePlace(PLACE, client, MOST_ENDPOINTS)
        case WebhookEndpointRemoved(client=client, url=url):
            return Release(ADDRESS, address_of(client, url)), ReleasePlace(PLACE, client, MOST_ENDPOINTS)
        case _:
            return ()


WEBHOOK_ENDPOINT: Aggregate[WebhookEndpoint] = Aggregate("whe", EVENTS, WebhookEndpoint, evolve, limits)
