"""How messages, webhook endpoints and attempts are shown; a message's text is made of template and parameters."""

from datetime import date, datetime

import msgspec

from services.notify.domain.message import MESSAGE, Message
from services.notify.domain.template import render
from services.notify.domain.webhook_attempt import WEBHOOK_ATTEMPT, Failure, Outcome, WebhookAttempt
from services.notify.domain.webhook_endpoint import WEBHOOK_ENDPOINT, Reason, Signature, Status, WebhookEndpoint
from services.notify.templates import catalogue
from shared.eventstore.listing import Listed, Lister


class ShownMessage(msgspec.Struct, frozen=True):
    id: str
    status: str
    person_id: str
    template: str
    subject_kind: str
    subject_id: str
    title: str
    text: str
    params: dict[str, str]
    sent_on: date
    read_on: date | None


def message(id: str, state: Message) -> ShownMessage:
    sent = state.sent
    if sent is None:
        raise ValueError("an empty message cannot be shown")
    rendered = render(catalogue(), sent.template, sent.params)
    return ShownMessage(
        id=id,
        status=state.status,
        person_id=sent.person_id,
        template=sent.template,
        subject_kind=sent.subject_kind,
        subject_id=sent.subject_id,
        title=rendered.title,
        text=rendered.text,
        params=sent.params,
        sent_on=sent.sent_on,
        read_on=state.read_on,
    )


def _listed(id: str, state: Message) -> Listed:
    shown = message(id, state)
    return Listed([f"person:{shown.person_id}", f"status:{shown.status}", f"subject:{shown.subject_id}"], shown)


class ShownEndpoint(msgspec.Struct, frozen=True):
    """`client`: whose it is. `types` is empty for all. `public_key` verifies signatures of the kind v1a."""

    id: str
    client: str
    status: Status
    reason: Reason | None
    url: str
    types: tuple[str, ...]
    signature: Signature
    public_key: str | None


def endpoint(id: str, state: WebhookEndpoint) -> ShownEndpoint:
    return ShownEndpoint(
        id, state.client, state.status, state.reason, state.url, state.types, state.signature, state.public_key
    )


def _listed_endpoint(id: str, state: WebhookEndpoint) -> Listed:
    return Listed([f"client:{state.client}", f"status:{state.status}"], endpoint(id, state))


class ShownAttempt(msgspec.Struct, frozen=True):
    """Times are of the wall clock, UTC; `next_at` null: there is no further attempt of itself.

    `following`: the id of the attempt that came after this one.
    """

    id: str
    client: str
    endpoint_id: str
    message_id: str
    type: str
    number: int
    outcome: Outcome
    status: int | None
    error: Failure | None
    attempted_at: datetime
    duration_ms: int
    next_at: datetime | None
    following: str | None
    resent: bool


def attempt(id: str, state: WebhookAttempt) -> ShownAttempt:
    made = state.made
    if made is None:
        raise ValueError("what was not attempted cannot be shown")
    return ShownAttempt(
        id=id,
        client=made.client,
        endpoint_id=made.endpoint_id,
        message_id=made.message_id,
        type=made.message_type,
        number=made.number,
        outcome=made.outcome,
        status=made.status,
        error=made.error,
        attempted_at=made.attempted_at,
        duration_ms=made.duration_ms,
        next_at=made.next_at,
        following=state.following,
        resent=state.resent,
    )


def _listed_attempt(id: str, state: WebhookAttempt) -> Listed:
    shown = attempt(id, state)
    assert state.made is not None
    facets = {
        "client": state.made.client,
        "endpoint": shown.endpoint_id,
        "message": shown.message_id,
        "outcome": shown.outcome,
    }
    return Listed([f"{name}:{value}" for name, value in facets.items()], shown)


LISTERS = (
    Lister("message", MESSAGE, _listed),
    Lister("webhook_endpoint", WEBHOOK_ENDPOINT, _listed_endpoint),
    Lister("webhook_attempt", WEBHOOK_ATTEMPT, _listed_attempt),
)
