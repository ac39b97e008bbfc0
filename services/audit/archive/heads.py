"""The signed heads that audit has seen: older ones that no service can take back."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from shared.proof.heads import SignedHead


class SeenHead(NamedTuple):
    """A head as it came (`json` is the `SignedHead`), and its place in the order in which they came."""

    seq: int
    json: bytes


async def remember(connection: asyncpg.Connection, heads: Sequence[SignedHead]) -> None:
    """Keep the heads that are not kept yet, beside all others: the effect of audit's consumer of heads."""
    await connection.executemany(
        "insert into seen_head (service, tree_size, log_id, root, signed_at, head) values ($1, $2, $3, $4, $5, $6)"
        " on conflict do nothing",
        [
            (
                signed.head.service,
                signed.head.tree_size,
                UUID(signed.head.log_id),
                bytes.fromhex(signed.head.root),
                signed.head.signed_at,
                msgspec.json.encode(signed),
            )
            for signed in heads
        ],
    )


async def seen(pool: asyncpg.Pool, service: str, before: int | None, limit: int) -> list[SeenHead]:
    """The heads of a service that came before a place, newest first; without a place the newest of all."""
    rows = await pool.fetch(
        "select seq, head from seen_head where service = $1 and seq < $2 order by seq desc limit $3",
        service,
        2**63 - 1 if before is None else before,
        limit,
    )
    return [SeenHead(*row) for row in rows]
