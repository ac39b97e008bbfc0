"""Which log a database holds: its id, and, where it came out of a backup, the id that it had."""

from typing import NamedTuple
from uuid import UUID

import asyncpg

RESTORED = "restored_unreconciled"
"""What /readyz says of a service whose database came out of a backup; a code of problem documents as well."""


class Identity(NamedTuple):
    """`former` is the id under which others know the log, as long as it has not been reconciled; else None."""

    log_id: UUID
    former: UUID | None

    @property
    def restored(self) -> bool:
        """Whether the log came out of a backup and has not been reconciled yet."""
        return self.former is not None


async def read_identity(pool: asyncpg.Pool | asyncpg.Connection) -> Identity:
    row = await pool.fetchrow("select log_id, former from log_identity")
    return Identity(row["log_id"], row["former"])
