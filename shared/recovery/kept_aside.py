"""The database that a restore put aside: when it can still be read, it holds what no event carries.

Keys of subjects, answers under idempotency keys, keyed hashes, long work. Nothing is taken of one that contradicts what
others hold.
"""

import asyncio
from collections.abc import Iterable, Sequence
from tempfile import TemporaryFile
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
COPIED_WITHIN = 600.0
"""Seconds for one table."""


KEPT = ("subject_key", "idempotency", "operation", "operation_item")
"""Tables of the kernel whose rows follow from no event."""


class TakenOver(NamedTuple):
    """How many keys of subjects the backup did not have, how many of its own were destroyed later, and how many
    answers it did not have."""

    keys: int = 0
    destroyed: int = 0
    answers: int = 0


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


async def take_over(
    aside: asyncpg.Pool, into: asyncpg.Connection, tables: Sequence[str], scopes: Iterable[str]
) -> TakenOver:
    """Take over what no event carries, in the caller's transaction: `KEPT`, more tables, and unique limits of `scopes`.

    Each is then as it was there, which is later: what was destroyed or withdrawn after the backup does not come back.
    """
    had = {row["subject"]: row["wrapped"] for row in await into.fetch("select subject, wrapped from subject_key")}
    answers = await into.fetchval("select count(*) from idempotency")
    for table in (*KEPT, *tables):
        await into.execute(f"delete from {table}")
        await _copy(aside, into, table, "true")
    for scope in scopes:
        await into.execute("delete from limit_unique where scope = $1", scope)
        await _copy(aside, into, "limit_unique", "scope = $1", scope)
    has = {row["subject"]: row["wrapped"] for row in await into.fetch("select subject, wrapped from subject_key")}
    return TakenOver(
        len(has.keys() - had.keys()),
        sum(wrapped is None and had.get(subject) is not None for subject, wrapped in has.items()),
        max(0, await into.fetchval("select count(*) from idempotency") - answers),
    )


async def _copy(aside: asyncpg.Pool, into: asyncpg.Connection, table: str, which: str, *arguments: object) -> None:
    names = await into.fetch(
        "select attname from pg_attribute where attrelid = $1::text::regclass and attnum > 0 and not attisdropped"
        " order by attnum",
        table,
    )
    columns = [row["attname"] for row in names]
    with TemporaryFile() as rows:
        query = f"select {', '.join(columns)} from {table} where {which}"
        await aside.copy_from_query(query, *arguments, output=rows, format="binary", timeout=COPIED_WITHIN)
        rows.seek(0)
        await into.copy_to_table(table, source=rows, columns=columns, format="binary", timeout=COPIED_WITHIN)
