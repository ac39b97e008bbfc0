"""The database that a restore put aside: when it can still be read, it holds what no event carries.

Keys of subjects, answers under idempotency keys, keyed hashes. Whatever of it contradicts what others hold is left
where it is.
"""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

import asyncpg

from shared.eventstore.reader import LogReader
from shared.eventstore.record import canonical
from shared.eventstore.sequencer import BATCH, Sequencer
from shared.recovery.identity import read_identity
from shared.recovery.tail import CannotReconcile, Witness

PATIENCE = 10.0
"""Seconds until who sequenced it last has lost the lease."""


class Secrets(NamedTuple):
    """What was taken over: how many subjects' keys, how many of them destroyed, and how many answers."""

    keys: int
    destroyed: int
    answers: int


async def read_aside(pool: asyncpg.Pool, log_id: UUID, after: int) -> Witness | None:
    """The log as it is there, behind a position; None when it is another log. What waits for a position gets one.

    Nobody else works on a database that was put aside, so it may be finished: its accepted commands are not lost.
    Raises one of `DATABASE` where it cannot be read.
    """
    if (await read_identity(pool)).log_id != log_id:
        return None
    await _sequence(pool)
    reader = LogReader(pool)
    await reader.start()
    records: dict[int, bytes] = {}
    last = after
    while found := await reader.read(last, BATCH):
        records |= {item.position: canonical(item.record) for item in found}
        last = found[-1].position
    return Witness("the database put aside", records, reader.head)


async def _sequence(pool: asyncpg.Pool) -> None:
    sequencer = Sequencer(pool, asyncio.Event(), lambda position: None)
    try:
        async with asyncio.timeout(PATIENCE):
            while await pool.fetchval("select exists (select from unsequenced)"):
                if not await sequencer.step():
                    await asyncio.sleep(0.1)
    except TimeoutError:
        raise CannotReconcile(["somebody else works on the database put aside: end every process of it"]) from None


def contradicts(aside: Witness, others: Iterable[Witness]) -> int | None:
    """The first position at which it says other than they do; None when there is none."""
    held = [other.records for other in others]
    wrong = (at for at, data in sorted(aside.records.items()) if any(data != other.get(at, data) for other in held))
    return next(wrong, None)


async def take_secrets(aside: asyncpg.Pool, into: asyncpg.Connection, apart: Iterable[str]) -> Secrets:
    """Take over what no event carries, in the caller's transaction. `apart` are the scopes of keyed hashes.

    A key that was destroyed there is destroyed here as well.
    """
    keys = await aside.fetch("select subject, wrapped, created_at, destroyed_at from subject_key")
    known = {row["subject"]: row["wrapped"] for row in await into.fetch("select subject, wrapped from subject_key")}
    new = [tuple(row) for row in keys if row["subject"] not in known]
    destroyed = [
        (row["subject"], row["destroyed_at"])
        for row in keys
        if row["wrapped"] is None and known.get(row["subject"]) is not None
    ]
    await into.executemany(
        "insert into subject_key (subject, wrapped, created_at, destroyed_at) values ($1, $2, $3, $4)", new
    )
    await into.executemany("update subject_key set wrapped = null, destroyed_at = $2 where subject = $1", destroyed)
    answers = await aside.fetch("select client, key, fingerprint, answer, expires_at from idempotency")
    had = {(row["client"], row["key"]) for row in await into.fetch("select client, key from idempotency")}
    missing = [tuple(row) for row in answers if (row["client"], row["key"]) not in had]
    await into.executemany(
        "insert into idempotency (client, key, fingerprint, answer, expires_at) values ($1, $2, $3, $4, $5)", missing
    )
    scopes = list(apart)
    hashes = await aside.fetch("select scope, key, holder from limit_unique where scope = any ($1)", scopes)
    await into.execute("delete from limit_unique where scope = any ($1)", scopes)
    await into.executemany("insert into limit_unique (scope, key, holder) values ($1, $2, $3)", map(tuple, hashes))
    return Secrets(len(new), len(destroyed), len(missing))
