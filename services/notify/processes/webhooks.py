"""Webhooks: endpoints are told of the messages that they are owed.   (Standard Webhooks)

At least once: who is killed between a receiver's answer and its record attempts again, with the same `webhook-id`, by
which the receiver knows it. The body says which message it is and of what; the text is read from our API. One worker
of the service sends; a slow receiver holds up nobody else.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from uuid import UUID, uuid5

import msgspec
import structlog

from services.notify.domain import webhook_attempt as attempts
from services.notify.domain import webhook_endpoint as endpoints
from services.notify.domain.message import MESSAGE
from services.notify.domain.webhook_attempt import (
    GONE,
    WEBHOOK_ATTEMPT,
    NoteFollowing,
    RecordAttempt,
    WebhookAttempted,
    attempt_id,
    next_at,
)
from services.notify.domain.webhook_endpoint import WEBHOOK_ENDPOINT, DisableEndpoint, Reason, WebhookEndpoint
from services.notify.projections.webhooks import Owed, due, still_shown
from shared.eventstore.calls import Context
from shared.eventstore.decider import Aggregate, Decision, Rejection
from shared.eventstore.interruptions import INTERRUPTIONS
from shared.eventstore.lease import STANDBY_SECONDS, Lease
from shared.eventstore.needs import Needs
from shared.eventstore.process import PROCESS_NAMESPACE
from shared.eventstore.record import Actor
from shared.eventstore.store import Store
from shared.eventstore.work import Answer, Work
from shared.telemetry.errors import describe
from shared.testing.fault_points import FaultPoint, reached
from shared.values.ids import unix_ms_of
from shared.values.personal import REDACTED, Sealed
from shared.web.outside import Outside, Reply, Unreachable
from shared.web.webhook_signing import signed_headers

AT_ONCE: Final = 16
"""How many attempts at one endpoint are under way at a time."""
IDLE_SECONDS: Final = 0.1
WAIT_SECONDS: Final = 60.0
"""How long a message waits whose endpoint's secret cannot be read, or at which something fails that nobody foresaw."""
ACTOR: Final = Actor("process:webhooks")
USER_AGENT: Final = "Huchuang-Webhooks/1"

S = TypeVar("S")

log = structlog.get_logger(__name__)


class Subject(msgspec.Struct, frozen=True):
    """What a message is about; nothing personal, and not its text."""

    message_id: str
    person_id: str
    subject_kind: str
    subject_id: str


class Body(msgspec.Struct, frozen=True):
    """`timestamp`: when the message came to be, or the test was asked for, UTC. The `data` of a test is its id."""

    type: str
    timestamp: datetime
    data: Subject | dict[str, str]


class NoSecret(Exception):
    """What an endpoint's webhooks are signed with cannot be read: nothing goes out unsigned."""


class Webhooks:
    """Sends what is due, again and again; runs in every worker, and the one that holds the lease works."""

    def __init__(self, store: Store, outside: Outside) -> None:
        self._store = store
        self._outside = outside
        self._lease = Lease(store.pool, "webhooks")
        self._under_way: set[tuple[str, str]] = set()
        self._recorded: dict[tuple[str, str], int] = {}
        """Attempts that are in the log, until their rows show it: what is due there is not."""

    async def run(self) -> None:
        """Send until cancelled; attempts that are under way then are given up, and made again by the next worker."""
        try:
            async with self._lease, asyncio.TaskGroup() as self._attempts:
                await self._lease.repeat(self._turn, INTERRUPTIONS)
        finally:
            await self._outside.close()

    async def _turn(self) -> None:
        if await self._lease.held() is None:
            self._recorded.clear()
            await asyncio.sleep(STANDBY_SECONDS)
        elif not await self._begin():
            await asyncio.sleep(IDLE_SECONDS)

    async def _begin(self) -> int:
        """Begin the attempts that are due; returns how many."""
        pool = self._store.pool
        if self._recorded:
            asked = [(endpoint, message, number) for (endpoint, message), number in self._recorded.items()]
            shown = await still_shown(pool, asked)
            over = {(endpoint, message) for endpoint, message, _ in asked} - shown
            self._recorded = {key: number for key, number in self._recorded.items() if key not in over}
        busy = Counter(endpoint for endpoint, _ in (*self._under_way, *self._recorded))
        begun = 0
        for owed in await due(pool, AT_ONCE + max(busy.values(), default=0)):
            key = (owed.endpoint, owed.message)
            if key not in self._under_way and key not in self._recorded and busy[owed.endpoint] < AT_ONCE:
                busy[owed.endpoint] += 1
                begun += 1
                self._under_way.add(key)
                self._attempts.create_task(self._one(owed))
        return begun

    async def _one(self, owed: Owed) -> None:
        """One attempt. Where the database goes away in between, it is made again; what fails here ends nothing else."""
        key = (owed.endpoint, owed.message)
        try:
            reached(FaultPoint.WEBHOOK_TAKEN)
            if await self._attempt(owed):
                self._recorded[key] = owed.attempts + 1
            else:
                await asyncio.sleep(STANDBY_SECONDS)
        except INTERRUPTIONS as error:
            log.warning("webhook_interrupted", endpoint=owed.endpoint, error=describe(error))
            await asyncio.sleep(STANDBY_SECONDS)
        except NoSecret:
            log.error("webhook_unsigned", endpoint=owed.endpoint)
            await asyncio.sleep(WAIT_SECONDS)
        except Exception as error:
            log.exception("webhook_failed", endpoint=owed.endpoint, message=owed.message, error=describe(error))
            await asyncio.sleep(WAIT_SECONDS)
        finally:
            self._under_way.remove(key)

    async def _attempt(self, owed: Owed) -> bool:
        """Tell the endpoint, and record what came of it; False when it is no longer to be told.

        What the log knows is not done again: a read model that is being filled does not show it yet.
        """
        store = self._store
        is_test = owed.type == attempts.TEST
        id = attempt_id(owed.message, owed.endpoint, owed.attempts + 1)
        work = await store.look(Needs(streams=(id, owed.endpoint, *(() if is_test else (owed.message,)))))
        if work.exists(id):
            return True
        endpoint = work.state(WEBHOOK_ENDPOINT, owed.endpoint)
        if endpoint.id is None or endpoint.status != "enabled":
            return False
        at = datetime.now(UTC)
        secrets = await self._secrets(work, owed.endpoint, endpoint, at)
        body = msgspec.json.encode(_test(owed) if is_test else _body(work, owed))
        headers = signed_headers(secrets, owed.message, at, body)
        headers |= {"content-type": "application/json", "user-agent": USER_AGENT}
        try:
            came: Reply | Unreachable = await self._outside.post(endpoint.url, body, headers)
        except Unreachable as error:
            came = error
        reached(FaultPoint.WEBHOOK_SENT)
        await self._record(owed, endpoint, made_of(owed, endpoint.client, at, datetime.now(UTC), came))
        return True

    async def _secrets(self, work: Work, id: str, endpoint: WebhookEndpoint, at: datetime) -> list[str]:
        ids = {stored.version: stored.id for stored in work.history(id)}
        sealed = [(ids[secret.version], secret.value) for secret in endpoint.signing(at)]
        opened = await self._store.disclose([(event, value) for event, value in sealed if isinstance(value, Sealed)])
        if REDACTED in opened or not opened:
            raise NoSecret(id)
        return [str(secret) for secret in opened]

    async def _record(self, owed: Owed, seen: WebhookEndpoint, made: WebhookAttempted) -> None:
        """With what follows: the attempt before is not the last any more; the endpoint, as it was `seen`, may end."""
        streams = [made.attempt_id, owed.endpoint]
        if made.number > 1:
            streams.append(attempt_id(owed.message, owed.endpoint, made.number - 1))

        def handle(work: Work) -> Answer | Rejection:
            if work.exists(made.attempt_id):
                return Answer(204, b"")
            _append(work, WEBHOOK_ATTEMPT, made.attempt_id, attempts.decide, RecordAttempt(made))
            for before in streams[2:]:
                _append(work, WEBHOOK_ATTEMPT, before, attempts.decide, NoteFollowing(made.attempt_id))
            reason = ends(owed, made)
            if reason is not None and work.state(WEBHOOK_ENDPOINT, owed.endpoint).version == seen.version:
                _append(work, WEBHOOK_ENDPOINT, owed.endpoint, endpoints.decide, DisableEndpoint(reason))
            return Answer(204, b"")

        correlation = owed.correlation or uuid5(PROCESS_NAMESPACE, made.attempt_id)
        context = Context(actor=ACTOR, correlation_id=correlation, causation_id=owed.cause)
        await self._store.carry_out(Needs(streams=tuple(streams)), handle, context)


def _append(work: Work, aggregate: Aggregate[S], stream: str, decide: Callable[[Any, S], Decision], what: Any) -> None:
    """What is decided of a stream; nothing where it is refused, as of an endpoint that has been removed."""
    decision = decide(what, work.state(aggregate, stream))
    if not isinstance(decision, Rejection):
        work.append(aggregate, stream, decision)


def made_of(owed: Owed, client: str, at: datetime, over: datetime, came: Reply | Unreachable) -> WebhookAttempted:
    """The attempt of what is owed, begun `at` and `over` (UTC, wall clock), and what came of it."""
    delivered = isinstance(came, Reply) and 200 <= came.status < 300
    return WebhookAttempted(
        attempt_id=attempt_id(owed.message, owed.endpoint, owed.attempts + 1),
        endpoint_id=owed.endpoint,
        client=client,
        message_id=owed.message,
        message_type=owed.type,
        number=owed.attempts + 1,
        outcome="delivered" if delivered else "failed",
        owed_since=owed.since,
        attempted_at=at,
        duration_ms=came.milliseconds,
        status=came.status if isinstance(came, Reply) else None,
        error=None if delivered else "status" if isinstance(came, Reply) else came.failure,
        next_at=None if delivered else next_at(owed.step, over, came.retry_after if isinstance(came, Reply) else None),
    )


def ends(owed: Owed, made: WebhookAttempted) -> Reason | None:
    """Why nothing more is sent to an endpoint after this attempt: it says so, or has not been heard of for days."""
    if made.status == GONE:
        return "gone"
    is_last = made.outcome == "failed" and made.next_at is None
    return "failing" if is_last and owed.unheard else None


def _test(owed: Owed) -> Body:
    requested_at = datetime.fromtimestamp(unix_ms_of(UUID(owed.message.partition("_")[2])) / 1000, UTC)
    return Body(owed.type, requested_at, {"test_id": owed.message})


def _body(work: Work, owed: Owed) -> Body:
    sent = work.state(MESSAGE, owed.message).sent
    assert sent is not None
    came_to_be = work.history(owed.message)[0].recorded_at
    return Body(owed.type, came_to_be, Subject(owed.message, sent.person_id, sent.subject_kind, sent.subject_id))
