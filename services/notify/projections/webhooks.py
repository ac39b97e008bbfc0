"""`webhooks`: who wants to hear of messages, and what each is still owed, kept row by row as the log goes on."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.notify.domain import webhook_attempt as attempts
from services.notify.domain import webhook_endpoint as endpoints
from services.notify.domain.message import MessageSent
from services.notify.domain.webhook_attempt import TEST, WebhookAttempted, WebhookResendRequested, type_of
from services.notify.domain.webhook_endpoint import (
    WebhookEndpointDisabled,
    WebhookEndpointEnabled,
    WebhookEndpointRegistered,
    WebhookEndpointRemoved,
    WebhookTestRequested,
    WebhookTypesChosen,
)
from shared.eventstore.decider import Event
from shared.eventstore.follower import Apply
from shared.eventstore.projections import Projection
from shared.eventstore.reader import Sequenced
from shared.eventstore.record import EventTypes, Record, tag_of

WEBHOOKS = "webhooks"
VERSION = 1
"""Raised with any change of what a row is: what is owed is then built anew beside the live rows."""

_OWED = "select * from webhook_owed w where w.build = t.build and w.endpoint = t.endpoint and"
_LIVE = "select build from projection_build where name = 'webhooks' and state = 'live'"


DUE = (
    "select distinct on (o.endpoint, o.message) o.endpoint, o.message, o.type, o.attempts,"
    " case when o.last_at < t.enabled_at then 0 else o.step end as step,"
    " greatest(o.since, t.enabled_at) as since, o.cause, o.correlation,"
    " t.succeeded_at is null or t.succeeded_at < greatest(o.since, t.enabled_at) as unheard"
    " from webhook_target t, lateral ("
    f"({_OWED} w.due_at <= statement_timestamp() order by w.due_at limit $1) union all"
    f" ({_OWED} w.last_at < t.enabled_at order by w.last_at limit $1) union all"
    f" ({_OWED} w.last_at > statement_timestamp() order by w.last_at limit $1)) o"
    f" where t.build = ({_LIVE}) and t.enabled"
)
"""Each of the three by an index; `statement_timestamp()` can be looked up in one, `clock_timestamp()` cannot."""


class Owed(NamedTuple):
    """A message that an endpoint is owed now. `attempts` were made in all, `step` of them since `since` (UTC).

    `unheard`: no attempt at this endpoint has succeeded since then.
    """

    endpoint: str
    message: str
    type: str
    attempts: int
    step: int
    since: datetime
    cause: UUID
    correlation: UUID | None
    unheard: bool


class Standing(NamedTuple):
    """How many messages an endpoint is owed, and how many of its messages have been given up."""

    waiting: int
    given_up: int


def webhooks(types: EventTypes) -> Projection:
    """The projection, as the service's wiring names it."""
    wanted = {tag_of(kind) for kind in (MessageSent, *endpoints.EVENTS, *attempts.EVENTS)}

    def apply(build: int) -> Apply:
        async def applied(connection: asyncpg.Connection, batch: Sequence[Sequenced]) -> None:
            messages: list[tuple[Record, MessageSent]] = []
            for record in (item.record for item in batch if types.newest(item.record.type) in wanted):
                event = types.decode(record.type, record.payload)
                if isinstance(event, MessageSent):
                    messages.append((record, event))
                else:
                    await _owe(connection, build, messages)
                    messages = []
                    await _change(connection, build, record, event)
            await _owe(connection, build, messages)

        return applied

    return Projection(WEBHOOKS, VERSION, apply, "forget_retired_webhooks")


async def _owe(connection: asyncpg.Connection, build: int, sent: Sequence[tuple[Record, MessageSent]]) -> None:
    """Every endpoint that wants its type is owed a message."""
    if not sent:
        return
    records = [record for record, _ in sent]
    await connection.execute(
        "insert into webhook_owed (build, endpoint, message, type, since, last_at, due_at, cause, correlation)"
        " select $1, t.endpoint, m.message, m.type, m.at, m.at, m.at, m.cause, m.correlation"
        " from unnest($2::text[], $3::text[], $4::timestamptz[], $5::uuid[], $6::uuid[])"
        " as m (message, type, at, cause, correlation)"
        " join webhook_target t on t.build = $1 and (t.types = '{}' or m.type = any (t.types))",
        build,
        [record.stream for record in records],
        [type_of(event.template, event.subject_kind) for _, event in sent],
        [record.recorded_at for record in records],
        [record.id for record in records],
        [record.correlation_id for record in records],
    )


async def _change(connection: asyncpg.Connection, build: int, record: Record, event: Event) -> None:
    match event:
        case WebhookEndpointRegistered(endpoint_id=endpoint, types=types):
            insert = "insert into webhook_target (build, endpoint, types) values ($1, $2, $3)"
            await connection.execute(insert, build, endpoint, types)
        case WebhookTypesChosen(endpoint_id=endpoint, types=types):
            update = "update webhook_target set types = $3 where build = $1 and endpoint = $2"
            await connection.execute(update, build, endpoint, types)
        case WebhookEndpointDisabled(endpoint_id=endpoint):
            update = "update webhook_target set enabled = false where build = $1 and endpoint = $2"
            await connection.execute(update, build, endpoint)
        case WebhookEndpointEnabled(endpoint_id=endpoint):
            update = "update webhook_target set enabled = true, enabled_at = $3 where build = $1 and endpoint = $2"
            await connection.execute(update, build, endpoint, record.recorded_at)
        case WebhookEndpointRemoved(endpoint_id=endpoint):
            await connection.execute("delete from webhook_target where build = $1 and endpoint = $2", build, endpoint)
            await connection.execute("delete from webhook_owed where build = $1 and endpoint = $2", build, endpoint)
        case WebhookTestRequested(endpoint_id=endpoint, test_id=test):
            await _owe_again(connection, build, record, endpoint, test, TEST, 0)
        case WebhookResendRequested(endpoint_id=endpoint, message_id=message, message_type=kind, number=number):
            await _owe_again(connection, build, record, endpoint, message, kind, number)
        case WebhookAttempted():
            await _attempted(connection, build, record, event)


async def _owe_again(
    connection: asyncpg.Connection, build: int, record: Record, endpoint: str, message: str, kind: str, attempts: int
) -> None:
    """One endpoint is owed one message, now; not if it has been removed in the meantime."""
    await connection.execute(
        "insert into webhook_owed"
        " (build, endpoint, message, type, attempts, since, last_at, due_at, cause, correlation)"
        " select $1, t.endpoint, $3, $4, $5, $6, $6, $6, $7, $8 from webhook_target t"
        " where t.build = $1 and t.endpoint = $2"
        " on conflict (build, endpoint, message) do update set step = 0, since = excluded.since,"
        " last_at = excluded.last_at, due_at = excluded.due_at,"
        " cause = excluded.cause, correlation = excluded.correlation",
        *(build, endpoint, message, kind, attempts, record.recorded_at, record.id, record.correlation_id),
    )


async def _attempted(connection: asyncpg.Connection, build: int, record: Record, event: WebhookAttempted) -> None:
    """The pause until the next attempt is what whoever attempted has measured; when it begins, this database says.

    An attempt that was under way when the message was asked for again, or its endpoint enabled, ends nothing.
    """
    at, which = record.recorded_at, (build, event.endpoint_id, event.message_id)
    if event.outcome == "delivered":
        delete = "delete from webhook_owed where build = $1 and endpoint = $2 and message = $3"
        await connection.execute(delete, *which)
        update = (
            "update webhook_target set succeeded_at = greatest(succeeded_at, $3) where build = $1 and endpoint = $2"
        )
        await connection.execute(update, build, event.endpoint_id, at)
        return
    due_at = None if event.next_at is None else at + (event.next_at - event.attempted_at)
    await connection.execute(
        "update webhook_owed o set attempts = $4, step = 1 + case when o.last_at < t.enabled_at then 0 else o.step end,"
        " since = greatest(o.since, t.enabled_at), last_at = $5, due_at = $6 from webhook_target t"
        " where o.build = $1 and o.endpoint = $2 and o.message = $3 and t.build = $1 and t.endpoint = $2"
        " and greatest(o.since, t.enabled_at) <= $7",
        *(*which, event.number, at, due_at, event.owed_since),
    )
    late = "update webhook_owed set attempts = $4 where build = $1 and endpoint = $2 and message = $3 and attempts < $4"
    await connection.execute(late, *which, event.number)


# -- reading ----------------------------------------------------------------------------------------------------------


async def due(pool: asyncpg.Pool, at_once: int) -> list[Owed]:
    """What is due now at endpoints that are enabled: at most so many of each, those that have been due the longest.

    What was noted by a clock that was ahead of this one is due as well: nothing waits for a clock that went back.
    """
    rows = await pool.fetch(DUE, at_once)
    return [Owed(*row) for row in rows]


async def still_shown(pool: asyncpg.Pool, recorded: Sequence[tuple[str, str, int]]) -> set[tuple[str, str]]:
    """Of some attempts (endpoint, message, number) that are in the log, those whose rows do not show them yet."""
    rows = await pool.fetch(
        "select o.endpoint, o.message from unnest($1::text[], $2::text[], $3::int[]) as a (endpoint, message, number)"
        f" join webhook_owed o on o.build = ({_LIVE}) and o.endpoint = a.endpoint and o.message = a.message"
        " where o.attempts < a.number",
        [item[0] for item in recorded],
        [item[1] for item in recorded],
        [item[2] for item in recorded],
    )
    return {(row["endpoint"], row["message"]) for row in rows}


async def standing(pool: asyncpg.Pool, endpoint: str) -> Standing:
    """What an endpoint is owed as far as the projection has come."""
    row = await pool.fetchrow(
        "select count(*) filter (where o.due_at is not null or o.last_at < t.enabled_at) as waiting,"
        " count(*) filter (where o.due_at is null and o.last_at >= t.enabled_at) as given_up"
        " from webhook_owed o join webhook_target t using (build, endpoint)"
        f" where o.build = ({_LIVE}) and o.endpoint = $1",
        endpoint,
    )
    return Standing(row["waiting"], row["given_up"])
