"""The two calls that a store makes, `load` and `append`, and their arguments for a group of commands."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from shared.eventstore.needs import IdempotencyKey, Needs
from shared.eventstore.record import Actor
from shared.eventstore.work import Work

LOAD = "select * from load($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
APPEND = f"select * from append({', '.join(f'${n}' for n in range(1, 40))})"


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks and in what connection; it becomes part of each event's envelope."""

    actor: Actor
    correlation_id: UUID
    causation_id: UUID | None = None
    traceparent: str | None = None


class Appending(msgspec.Struct):
    """A decided command on its way into the database; `answer` is what is kept under its key."""

    work: Work
    context: Context
    key: IdempotencyKey | None
    answer: bytes | None


def load_arguments(group: Sequence[tuple[Needs, IdempotencyKey | None]]) -> tuple[list[Any], ...]:
    streams: dict[str, None] = {}
    subjects: dict[str, None] = {}
    unique: dict[tuple[str, str], None] = {}
    bounded: dict[tuple[str, str], None] = {}
    facts: dict[tuple[str, str], None] = {}
    rows: dict[tuple[str, str], None] = {}
    keys: dict[tuple[str, str], None] = {}
    for needs, key in group:
        streams.update(dict.fromkeys(needs.streams))
        subjects.update(dict.fromkeys(needs.subjects))
        unique.update(dict.fromkeys(needs.unique))
        bounded.update(dict.fromkeys(needs.bounded))
        facts.update(dict.fromkeys(needs.facts))
        rows.update(dict.fromkeys(needs.rows))
        if key is not None:
            keys[key.client, key.key] = None
    return (
        list(streams),
        *_columns(unique),
        *_columns(bounded),
        *_columns(facts),
        *_columns(rows),
        list(subjects),
        *_columns(keys),
    )


def _columns(pairs: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
    pairs = list(pairs)
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def append_arguments(group: Sequence[Appending]) -> list[Any]:
    """The flat arrays of `append.sql`, in its order; elements of a command carry its number, 1 to n."""
    commands: list[Any] = []
    streams: list[Any] = []
    events: list[Any] = []
    limits: list[Any] = []
    bounds: list[Any] = []
    rows: list[Any] = []
    subjects: list[Any] = []
    for number, item in enumerate(group, 1):
        work, context, key = item.work, item.context, item.key
        actor = context.actor
        commands.append(
            (
                actor.client,
                actor.user,
                actor.on_behalf_of,
                context.causation_id,
                context.correlation_id,
                context.traceparent,
                None if key is None else key.client,
                None if key is None else key.key,
                None if key is None else key.fingerprint,
                item.answer,
                None if key is None else key.keep,
            )
        )
        now = work.now
        streams += [(number, *stream) for stream in work.streams()]
        events += [(number, e.stream, e.version, e.id, e.type, now, e.payload) for e in work.events]
        limits += [(number, *limit) for limit in work.limits]
        bounds += [(number, *bound) for bound in work.bounds]
        rows += [(number, *row) for row in work.rows]
        subjects += [(number, *subject) for subject in work.new_keys.items()]
    return [
        *_transposed(commands, 11),
        *_transposed(streams, 4),
        *_transposed(events, 7),
        *_transposed(limits, 5),
        *_transposed(bounds, 5),
        *_transposed(rows, 4),
        *_transposed(subjects, 3),
    ]


def _transposed(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
