"""WebhookAttempt: one attempt to tell an endpoint of one message, what came of it, and when the next one is due.

Every message that an endpoint is owed is attempted until it is delivered, over days; the schedule is that which
Standard Webhooks proposes. The same attempt is recorded once: its id follows from message, endpoint and number.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal
from uuid import UUID

import msgspec

from services.notify.domain.template import SubjectKind
from shared.eventstore.decider import Aggregate, Decision, Event, Rejection
from shared.values.ids import new_id

Outcome = Literal["delivered", "failed"]
Failure = Literal["status", "timeout", "connection", "tls", "name", "inside_address", "protocol"]

RETRIES: Final = (
    *(timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30)),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
"""How long after a failed attempt the next one is due, three days in all; then the message is given up."""
MOST_ATTEMPTS: Final = 200
"""Of one message at one endpoint; then no more can be asked for."""
NUMBER_BITS: Final = 16
"""An endpoint can be enabled so often that a message has some thousand attempts, not more."""
LONGEST_WAIT: Final = timedelta(hours=24)
"""The longest that a receiver may put the next attempt off."""
GONE: Final = 410
TEST: Final = "webhook.test"

# -- events: what happened; the names are the storage format -------------------------------------------------------


class WebhookAttempted(Event, frozen=True, tag="notify.WebhookAttempted.v1"):
    """`attempted_at` and `next_at` are of the wall clock, UTC. `status` is HTTP's, where there was an answer.

    `client`: whose endpoint it is. `owed_since`: when it was to be told of the message, or enabled, or asked for it
    again (UTC, the database's clock). `next_at` None: the message is delivered, or given up.
    """

    attempt_id: str
    endpoint_id: str
    client: str
    message_id: str
    message_type: str
    number: int
    outcome: Outcome
    owed_since: datetime
    attempted_at: datetime
    duration_ms: int
    status: int | None = None
    error: Failure | None = None
    next_at: datetime | None = None


class WebhookAttemptFollowed(Event, frozen=True, tag="notify.WebhookAttemptFollowed.v1"):
    """There is a later attempt of the same message at the same endpoint."""

    attempt_id: str
    following: str


class WebhookResendRequested(Event, frozen=True, tag="notify.WebhookResendRequested.v1"):
    """The message is owed again, as attempt `number + 1`, whatever became of it."""

    attempt_id: str
    endpoint_id: str
    message_id: str
    message_type: str
    number: int


WebhookAttemptEvent = WebhookAttempted | WebhookAttemptFollowed | WebhookResendRequested
EVENTS = (WebhookAttempted, WebhookAttemptFollowed, WebhookResendRequested)


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class WebhookAttempt(msgspec.Struct, frozen=True):
    made: WebhookAttempted | None = None
    following: str | None = None
    resent: bool = False


def evolve(attempt: WebhookAttempt, event: WebhookAttemptEvent) -> WebhookAttempt:
    match event:
        case WebhookAttempted():
            return WebhookAttempt(event)
        case WebhookAttemptFollowed():
            return msgspec.structs.replace(attempt, following=event.following)
        case WebhookResendRequested():
            return msgspec.structs.replace(attempt, resent=True)


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class RecordAttempt(msgspec.Struct, frozen=True):
    """The id follows from what was attempted, so that recording it again is nothing new."""

    attempt: WebhookAttempted


class NoteFollowing(msgspec.Struct, frozen=True):
    """Recorded with the later attempt, so that nobody can ask for a resend of this one at the same moment."""

    following: str


class RequestResend(msgspec.Struct, frozen=True):
    """`enabled`: whether its endpoint is."""

    enabled: bool


WebhookAttemptCommand = RecordAttempt | NoteFollowing | RequestResend


def decide(command: WebhookAttemptCommand, attempt: WebhookAttempt) -> Decision:
    match command:
        case RecordAttempt():
            return [command.attempt] if attempt.made is None else []
        case NoteFollowing(following):
            if attempt.made is None or attempt.following is not None:
                return []
            return [WebhookAttemptFollowed(attempt.made.attempt_id, following)]
        case RequestResend():
            return _resend(command, attempt)


def _resend(command: RequestResend, attempt: WebhookAttempt) -> Decision:
    made = attempt.made
    if made is None:
        return Rejection(code="not_found", detail="没有找到这次回调", status=404)
    if (following := attempt.following) is not None:
        detail = "之后已有新的回调，请从最后一次重发"
        return Rejection(code="webhook_attempt_superseded", detail=detail, extensions={"id": following})
    if not command.enabled:
        return Rejection(code="webhook_endpoint_disabled", detail="回调地址已停用或移除，请先启用")
    if made.number >= MOST_ATTEMPTS:
        return Rejection(code="too_many_webhook_attempts", detail=f"同一条消息最多回调 {MOST_ATTEMPTS} 次")
    if attempt.resent:
        return []
    return [
        WebhookResendRequested(made.attempt_id, made.endpoint_id, made.message_id, made.message_type, made.number),
    ]


def next_at(step: int, at: datetime, retry_after: float | None) -> datetime | None:
    """When the attempt behind a failed one at `at` is due; `step` is how many have failed since the message was owed.

    A receiver that asks for more time (RFC 9110 section 10.2.3, seconds) is given it, up to a day.
    """
    if step >= len(RETRIES):
        return None
    asked = timedelta(seconds=retry_after or 0)
    return at + max(RETRIES[step], min(asked, LONGEST_WAIT))


def attempt_id(message_id: str, endpoint_id: str, number: int) -> str:
    """The id of the n-th attempt of a message at an endpoint: always the same, in the order of messages, then of n.

    A UUIDv7 with the message's time and counter, whose last bits are a digest of message and endpoint, and n. Raises
    ValueError for an n that has no room there.
    """
    if not 0 < number < 1 << NUMBER_BITS:
        raise ValueError("there is no such attempt")
    message = UUID(message_id.partition("_")[2]).int
    digest = int.from_bytes(sha256(f"{message_id}\n{endpoint_id}".encode()).digest()[:8]) >> (2 + NUMBER_BITS)
    return new_id("wha", UUID(int=message >> 64 << 64 | 0b10 << 62 | digest << NUMBER_BITS | number))


def type_of(template: str, subject_kind: SubjectKind) -> str:
    """The type under which a message is told of, such as `claim.paid` for the template `claim_paid.v1`."""
    name = template.partition(".")[0].removeprefix(f"{subject_kind}_")
    return f"{subject_kind}.{name}"


WEBHOOK_ATTEMPT: Aggregate[WebhookAttempt] = Aggregate("wha", EVENTS, WebhookAttempt, evolve)
