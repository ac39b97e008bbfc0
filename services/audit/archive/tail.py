"""What audit holds of one service's log: for its service, when its database came out of a backup."""

from uuid import UUID

import asyncpg
import msgspec

from shared.proof.heads import SignedHead


async def archived_behind(connection: asyncpg.Connection, log_id: UUID, position: int) -> dict[int, bytes]:
    """The records of a log behind a position, as they came."""
    rows = await connection.fetch(
        "select position, record from archive where log_id = $1 and position > $2", log_id, position
    )
    return {row["position"]: row["record"] for row in rows}


async def heads_of(connection: asyncpg.Connection, log_id: UUID) -> list[SignedHead]:
    """All heads of a log that came, whoever signed them."""
    rows = await connection.fetch("select head from seen_head where log_id = $1", log_id)
    return [msgspec.json.decode(row["head"], type=SignedHead) for row in rows]
