"""Writing the tail back where it stood, and with it what can be known of the commands that had written it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import msgspec

from shared.eventstore.process import ANSWER_KEPT, PROCESS_NAMESPACE
from shared.eventstore.record import Record
from shared.eventstore.store import answer_name
from shared.eventstore.work import Answer, fingerprint
from shared.proof.merkle import extend, leaf_hash
from shared.recovery.tail import CannotReconcile, Placed
from shared.vault.keys import Keyring

BATCH = 1000
PROCESS = "process:"
"""Begins the client of what a process did."""
DONE = msgspec.msgpack.encode(Answer(204, b""))


async def check_streams(connection: asyncpg.Connection, placed: Sequence[Placed]) -> None:
    """The tail goes on where the backup's streams end; what the backup had without a position is the same event.

    Raises `CannotReconcile`.
    """
    first: dict[str, Placed] = {}
    for item in placed:
        first.setdefault(item.record.stream, item)
    rows = await connection.fetch(
        "select id, version, (select count(*) from unsequenced u where u.stream = s.id) as waiting"
        " from stream s where id = any ($1)",
        list(first),
    )
    sequenced = {row["id"]: row["version"] - row["waiting"] for row in rows}
    for stream, item in first.items():
        if item.record.version != sequenced.get(stream, 0) + 1:
            raise CannotReconcile(
                [f"position {item.position}: {stream} ends at version {sequenced.get(stream, 0)} in the backup"]
            )
    waiting = await connection.fetch(
        "select e.stream, e.version, e.id, e.payload from unsequenced u"
        " join event e on e.stream = u.stream and e.version = u.version"
    )
    there = {(item.record.stream, item.record.version): item for item in placed}
    for row in waiting:
        same = there.get((row["stream"], row["version"]))
        if same is not None and (same.record.id, bytes(same.record.payload)) != (row["id"], row["payload"]):
            raise CannotReconcile([f"position {same.position}: the backup holds another event at this version"])


async def put_back(connection: asyncpg.Connection, placed: Sequence[Placed]) -> None:
    """Append the tail to the log as it was, in the caller's transaction."""
    head = await connection.fetchrow("select position, peaks from log_head")
    position, peaks = head["position"], head["peaks"]
    for start in range(0, len(placed), BATCH):
        batch = placed[start : start + BATCH]
        leaves = [leaf_hash(item.data) for item in batch]
        grown = extend(position, peaks, leaves)
        position = await connection.fetchval(
            f"select put_back({', '.join(f'${n}' for n in range(1, 20))})",
            position,
            *_columns([item.record for item in batch]),
            leaves,
            grown.peaks,
            [subtree.height for subtree in grown.completed],
            [subtree.number for subtree in grown.completed],
            [subtree.hash for subtree in grown.completed],
        )
        peaks = grown.peaks


def _columns(records: Iterable[Record]) -> list[list[Any]]:
    rows = [
        (
            record.stream,
            record.version,
            record.id,
            record.type,
            record.recorded_at,
            record.occurred_at,
            record.actor.client,
            record.actor.user,
            record.actor.on_behalf_of,
            record.causation_id,
            record.correlation_id,
            record.traceparent,
            bytes(record.payload),
        )
        for record in records
    ]
    return [list(column) for column in zip(*rows, strict=True)]


async def note_processes(connection: asyncpg.Connection, placed: Iterable[Placed], keyring: Keyring) -> int:
    """What processes have done stays done: their commands' keys are kept again, so that no repetition takes effect.

    Returns how many were missing.
    """
    names = commands_of(item.record for item in placed)
    expires_at = datetime.now(UTC) + ANSWER_KEPT
    rows = [
        (client, key, fingerprint(b""), keyring.seal_answer(DONE, answer_name(client, key)), expires_at)
        for client, key in names
    ]
    before = await connection.fetchval("select count(*) from idempotency")
    await connection.executemany(
        "insert into idempotency (client, key, fingerprint, answer, expires_at) values ($1, $2, $3, $4, $5)"
        " on conflict do nothing",
        rows,
    )
    added: int = await connection.fetchval("select count(*) - $1 from idempotency", before)
    return added


def commands_of(records: Iterable[Record]) -> list[tuple[str, str]]:
    """The (client, idempotency key) of each command of a process that wrote these records.

    What a timer made it do carries the command's id as its correlation. For what an event made it do the id is made
    again from process, event and number: a process carries its commands out one after the other, so those that wrote
    something are told apart by when they did.
    """
    names: dict[tuple[str, str], None] = {}
    caused: dict[tuple[str, UUID], dict[datetime, None]] = {}
    for record in records:
        client = record.actor.client
        if not client.startswith(PROCESS):
            continue
        if record.causation_id is None:
            names[client, str(record.correlation_id)] = None
        else:
            caused.setdefault((client, record.causation_id), {})[record.recorded_at] = None
    for (client, event), moments in caused.items():
        process = client.removeprefix(PROCESS)
        for number in range(len(moments)):
            names[client, str(uuid5(PROCESS_NAMESPACE, f"{process}\n{event}\n{number}"))] = None
    return list(names)
