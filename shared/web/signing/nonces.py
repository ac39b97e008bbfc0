"""Nonces are used once: across processes and restarts, because PostgreSQL keeps them until their time is over."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import asyncpg

from shared.eventstore.grouping import Grouped

TABLE = Path(__file__).parent / "sql" / "used_nonce.sql"
"""The script for a migration of each service that has signed routes."""
MARGIN = 600
"""Seconds for which a nonce is kept beyond its time, so that clocks of hosts may differ."""
AT_A_TIME = 5000


class Nonce(NamedTuple):
    """`expires` in seconds since 1970: until when its signature would be accepted."""

    keyid: str
    nonce: str
    expires: int


class NonceBook:
    """The nonces of one service. Concurrent calls are one statement and one commit."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._grouped: Grouped[Nonce, bool] = Grouped(self._use)

    async def use(self, nonce: Nonce) -> bool:
        """Whether this is the first use; from now on it has been used."""
        return await self._grouped(nonce)

    async def _use(self, nonces: Sequence[Nonce]) -> Sequence[bool]:
        rows = await self._pool.fetch(
            "select fresh from use_nonces($1, $2, $3)",
            [item.keyid for item in nonces],
            [item.nonce for item in nonces],
            [datetime.fromtimestamp(item.expires, UTC) for item in nonces],
        )
        return [row["fresh"] for row in rows]

    async def sweep(self) -> int:
        """Forget nonces whose time is over; returns how many, at most `AT_A_TIME`."""
        forgotten: int = await self._pool.fetchval(
            "select forget_used_nonces(make_interval(secs => $1), $2)", MARGIN, AT_A_TIME
        )
        return forgotten
