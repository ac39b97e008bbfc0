"""Rotation of the master key: everything it wraps is wrapped anew under its successor, a page at a time.

Whoever is interrupted begins again: what is under the current key already is not touched.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg
import structlog

from shared.vault.boxes import Unreadable
from shared.vault.master import FIRST, MARK, MasterKey

PAGE = 500
KEEP = timedelta(days=35)
"""How long a replaced master key is kept: as long as the oldest copy of a database that may be restored."""

log = structlog.get_logger(__name__)


class Wrapped(NamedTuple):
    """A column whose values are wrapped under the master key, and the primary key of its table (texts)."""

    table: str
    key: Sequence[str]
    column: str
    context: Callable[..., str]
    """What a value is bound to, from its row's primary key."""
    foreign: bytes = b"\xff\xff"
    """How values begin that stand in the same column and are not wrapped."""


class Rewrapped(NamedTuple):
    """`unreadable` values open under no master key that there is; they are left as they are."""

    values: int
    unreadable: int


async def rewrap(
    pool: asyncpg.Pool, master: MasterKey, wrapped: Wrapped, progress: Callable[[int], Awaitable[object]] | None = None
) -> Rewrapped:
    """Wrap a column anew wherever it is not under the current key. Values that change meanwhile win."""
    done, unreadable = 0, 0
    after: Sequence[str] | None = None
    while rows := await pool.fetch(_page(wrapped, after), master.current(), wrapped.foreign, *(after or ())):
        fresh = []
        for *key, value in rows:
            try:
                clear = master.unwrap(value, wrapped.context(*key))
            except Unreadable:
                unreadable += 1
            else:
                fresh.append((*key, value, master.wrap(clear, wrapped.context(*key))))
        if fresh:
            await pool.execute(_update(wrapped), *map(list, zip(*fresh, strict=True)))
        done += len(fresh)
        after = tuple(rows[-1])[:-1]
        if progress is not None:
            await progress(done)
    return Rewrapped(done, unreadable)


async def destroy_expired(
    pool: asyncpg.Pool, master: MasterKey, wrapped: Sequence[Wrapped], now: datetime
) -> list[bytes]:
    """Destroy retired master keys whose time is over, once nothing is wrapped under them any more.

    What came in late under one of them is wrapped anew; what cannot be keeps its key, and the log says so.
    """
    destroyed = []
    for beginning in master.expired(now):
        for place in wrapped:
            if await _still_wraps(pool, beginning, place):
                await rewrap(pool, master, place)
            if await _still_wraps(pool, beginning, place):
                log.error("expired_master_key_in_use", table=place.table)
                break
        else:
            master.destroy(beginning)
            destroyed.append(beginning)
            log.info("master_key_destroyed", number=int.from_bytes(beginning[len(MARK) :]))
    return destroyed


def _page(wrapped: Wrapped, after: Sequence[str] | None) -> str:
    key = ", ".join(wrapped.key)
    beyond = f"and ({key}) > ({', '.join(f'${n}' for n in range(3, 3 + len(wrapped.key)))})" if after else ""
    return (
        f"select {key}, {wrapped.column} from {wrapped.table}"
        f" where not {_begins(wrapped, 1)} and not {_begins(wrapped, 2)} {beyond} order by {key} limit {PAGE}"
    )


def _begins(wrapped: Wrapped, parameter: int) -> str:
    return f"substring({wrapped.column} from 1 for length(${parameter}::bytea)) = ${parameter}::bytea"


def _update(wrapped: Wrapped) -> str:
    arrays = ", ".join(f"${n}::text[]" for n in range(1, 1 + len(wrapped.key)))
    old, new = len(wrapped.key) + 1, len(wrapped.key) + 2
    same = " and ".join(f"t.{name} = u.{name}" for name in wrapped.key)
    return (
        f"update {wrapped.table} t set {wrapped.column} = u.new"
        f" from unnest({arrays}, ${old}::bytea[], ${new}::bytea[]) as u ({', '.join(wrapped.key)}, old, new)"
        f" where {same} and t.{wrapped.column} = u.old"
    )


async def _still_wraps(pool: asyncpg.Pool, beginning: bytes, wrapped: Wrapped) -> bool:
    """Whether a column holds anything under a master key; what has no mark is under the first one."""
    found: bool = await pool.fetchval(
        f"select exists (select from {wrapped.table} where {_begins(wrapped, 1)})", beginning
    )
    if found or beginning != FIRST:
        return found
    unmarked: bool = await pool.fetchval(
        f"select exists (select from {wrapped.table} where not {_begins(wrapped, 1)} and not {_begins(wrapped, 2)})",
        *(MARK, wrapped.foreign),
    )
    return unmarked
