"""Money of a budget line, read from the lists as of one position of the log.   (B-12, B-35)

A list and its checkpoint move in one transaction, so what one snapshot shows is all that had happened up to there.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import asyncpg
import msgspec

from services.subsidy.domain.claim import BUDGET
from shared.eventstore.projections import LISTING, follower_of

LIVE = (
    "select b.build, c.position from projection_build b join checkpoint c on c.reader = $2 || b.build"
    " where b.name = $1 and b.state = 'live'"
)
CLAIMS = "select id, version from listing where build = $1 and kind = 'claim' and facets @> array[$2] order by id"
RECOVERIES = "select body from listing where build = $1 and kind = 'recovery' and facets @> array[$2]"
PAID = (
    "select coalesce(sum((convert_from(body, 'utf8')::jsonb ->> 'amount')::numeric), 0.00)"
    " from listing where build = $1 and kind = 'claim' and facets @> array[$2]"
)
LEDGER = "select used, bound from limit_bounded where scope = $1 and key = $2"
HEAD = "select position from log_head"
WAITING = "select exists (select from unsequenced)"
KNOWN = "select exists (select from limit_bounded where scope = $1 and key = $2)"
VERSIONS = "select stream, max(version) from log where stream = any($1) and position <= $2 group by stream"


class _Instalment(msgspec.Struct):
    amount: Decimal
    line: str


class _Received(msgspec.Struct):
    instalments: tuple[_Instalment, ...]


class Money(NamedTuple):
    """CNY, as of `position` of subsidy's log: paid from the line net of returns, and recovered in its year."""

    paid: Decimal
    recovered: Decimal
    position: int


class Lists(NamedTuple):
    """What the lists show of a line as of `position`, beside its ledger (CNY): `claims` with the version shown.

    `complete`: nothing more had happened when it was read, so the ledger, which is current, can be compared.
    """

    claims: dict[str, int]
    received: Decimal
    committed: Decimal
    budget: Decimal | None
    position: int
    complete: bool


async def money_of(pool: asyncpg.Pool, line: str) -> Money:
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        build, position = await connection.fetchrow(LIVE, LISTING, follower_of(LISTING))
        paid = await connection.fetchval(PAID, build, f"paid:{line}")
        received = await _received(connection, build, line)
    return Money(paid, received, position)


async def lists_of(pool: asyncpg.Pool, line: str) -> Lists:
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        build, position = await connection.fetchrow(LIVE, LISTING, follower_of(LISTING))
        claims = dict(await connection.fetch(CLAIMS, build, f"line:{line}"))
        received = await _received(connection, build, line)
        ledger = await connection.fetchrow(LEDGER, BUDGET, line)
        head = await connection.fetchval(HEAD)
        waiting = await connection.fetchval(WAITING)
    used, bound = (Decimal("0.00"), None) if ledger is None else (ledger["used"], ledger["bound"])
    return Lists(claims, received, used, bound, position, position == head and not waiting)


async def _received(connection: asyncpg.Connection, build: int, line: str) -> Decimal:
    """What came back in the line's year, CNY, whichever line it had been paid from."""
    rows = await connection.fetch(RECOVERIES, build, f"line:{line}")
    received = (msgspec.json.decode(row["body"], type=_Received).instalments for row in rows)
    return sum((item.amount for items in received for item in items if item.line == line), Decimal("0.00"))


async def is_known(pool: asyncpg.Pool, line: str) -> bool:
    """Whether a budget was ever set for the line."""
    found: bool = await pool.fetchval(KNOWN, BUDGET, line)
    return found


async def versions_at(pool: asyncpg.Pool, streams: Sequence[str], position: int) -> dict[str, int]:
    """How long each stream was at a position of the log; streams that had not begun are left off."""
    return dict(await pool.fetch(VERSIONS, list(streams), position))
