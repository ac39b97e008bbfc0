"""What the other services of a stack know of one service's log: audit's archive, and how far each has applied it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from deploy.local.settings import StackSettings
from services.audit.archive.tail import archived_behind, heads_of
from shared.proof.heads import SignedHead
from shared.recovery.identity import read_identity
from shared.recovery.reconcile import Others
from shared.recovery.tail import CannotReconcile, Witness

ARCHIVE = "audit"


class _Known(NamedTuple):
    witness: Witness
    heads: Sequence[SignedHead]
    clock: datetime | None


async def others_of(stack: StackSettings, service: str, log_id: UUID, after: int) -> Others:
    """Ask every other service's database. Raises `CannotReconcile` when one does not answer: it may know of more."""
    names = [name for name in stack.databases if name != service]
    known = await asyncio.gather(*(_ask(name, stack.databases[name], log_id, after) for name in names))
    return Others(
        [item.witness for item in known],
        [head for item in known for head in item.heads],
        max((item.clock for item in known if item.clock is not None), default=None),
    )


async def _ask(name: str, dsn: str, log_id: UUID, after: int) -> _Known:
    try:
        connection: asyncpg.Connection = await asyncpg.connect(dsn)
    except (OSError, asyncpg.PostgresError) as error:
        raise CannotReconcile(
            [f"the database of {name} does not answer: what it has applied has to be known"]
        ) from error
    try:
        reaches: int = await connection.fetchval(
            "select greatest((select max(watermark) from applied where log_id = $1),"
            " (select max(position) from applied_above where log_id = $1), 0)",
            log_id,
        )
        clock: datetime | None = await connection.fetchval("select stands_at from business_clock")
        if name != ARCHIVE:
            return _Known(Witness(name, {}, reaches), (), clock)
        if (await read_identity(connection)).restored:
            raise CannotReconcile(["audit came out of a backup itself: run huchuang reconcile audit first"])
        records = await archived_behind(connection, log_id, after)
        return _Known(Witness("audit's archive", records, reaches), await heads_of(connection, log_id), clock)
    finally:
        await connection.close()
