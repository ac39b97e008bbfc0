"""What `append` writes beside the events, made again from the events alone: limits and inline rows.

Every stream is folded once more and what it holds, uses and shows is staged in temporary tables, while commands go
on. At the end the live tables are locked for as long as the streams that have moved meanwhile take, and compared.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, NamedTuple

import asyncpg
import msgspec

from shared.eventstore.decider import (
    Aggregate,
    LimitChange,
    Release,
    ReleasePlace,
    SetBound,
    Take,
    TakePlace,
    Use,
)
from shared.eventstore.record import EventTypes

PATIENCE = 600.0
"""Seconds that the comparison may take; commands wait as long. Measured in docs/kernel.md."""
THINKING = "60s"
"""How long we may take between two statements while the tables are locked: who is frozen or cut off lets them go."""
STREAMS = 500
"""How many streams are folded at a time, and how many may have moved before the tables are locked."""


class Difference(NamedTuple):
    """Something in a live table that the events do not say, or the other way round. `None`: there is none."""

    table: str
    scope: str
    key: str
    live: str | None
    expected: str | None


class Derived:
    """Compares the live limits and inline rows of a service with its events, and mends them.

    `apart` are the scopes that no event may carry, such as the keyed hashes of identity numbers: they are left alone.
    """

    def __init__(self, pool: asyncpg.Pool, types: EventTypes, apart: Iterable[str] = ()) -> None:
        self._pool = pool
        self._aggregates = {aggregate.prefix: aggregate for aggregate in types.aggregates}
        self._types = types
        self._apart = list(apart)
        self._one_at_a_time = asyncio.Lock()

    async def differences(self, limit: int = 100) -> list[Difference]:
        """The first differences between the live tables and the events. Commands wait while the two are compared."""
        async with self._staged() as connection:
            rows = await connection.fetch(
                "select * from differing_limits($1) limit $2", self._apart, limit, timeout=PATIENCE
            )
            rows += await connection.fetch("select * from differing_rows() limit $1", limit, timeout=PATIENCE)
        return [Difference(*row) for row in rows]

    async def mend_limits(self) -> int:
        """Make the live limits what the events say; returns how many differed."""
        async with self._staged() as connection:
            mended: int = await connection.fetchval("select mend_limits($1)", self._apart, timeout=PATIENCE)
        return mended

    async def mend_rows(self) -> int:
        """Make the live inline rows what the events say; returns how many differed."""
        async with self._staged() as connection:
            mended: int = await connection.fetchval("select mend_rows()", timeout=PATIENCE)
        return mended

    @asynccontextmanager
    async def _staged(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection in whose transaction everything is staged and the live tables stand still."""
        async with self._one_at_a_time, self._pool.acquire() as connection:
            await connection.execute(f"set idle_in_transaction_session_timeout = '{THINKING}'")
            try:
                await connection.execute("select make_staging()")
                since = await self._stage_all(connection)
                await connection.execute("select analyze_staging()")
                async with connection.transaction():
                    await connection.execute("set local lock_timeout = '10s'")
                    # Writers lock rows before they write; EXCLUSIVE waits for those as well, and lets reads go on.
                    await connection.execute("lock table limit_unique, limit_bounded, inline_row in exclusive mode")
                    await self._stage(connection, await _moved(connection, since))
                    yield connection
            finally:
                await connection.execute("discard temp; reset idle_in_transaction_session_timeout")

    async def _stage_all(self, connection: asyncpg.Connection) -> int:
        """Stage every stream; returns a position behind which few have moved since they were staged."""
        since: int = await connection.fetchval("select position from log_head")
        last = ""
        while streams := await connection.fetch(
            "select id from stream where id > $1 order by id limit $2", last, STREAMS
        ):
            last = streams[-1]["id"]
            await self._stage(connection, [row["id"] for row in streams])
        while True:
            # The head first: what is sequenced after it has moved once more by the next look.
            head: int = await connection.fetchval("select position from log_head")
            moved = await _moved(connection, since)
            if len(moved) <= STREAMS:
                return since
            for start in range(0, len(moved), STREAMS):
                await self._stage(connection, moved[start : start + STREAMS])
            since = head

    async def _stage(self, connection: asyncpg.Connection, streams: Sequence[str]) -> None:
        rows = await connection.fetch("select * from read_streams($1)", streams)
        staged = _Staged()
        current, state, aggregate = "", None, None
        for stream, place, kind, payload in rows:
            if stream != current:
                current, aggregate = stream, self._aggregates.get(stream.partition("_")[0])
                state = None if aggregate is None else aggregate.initial()
            if aggregate is not None:
                event = self._types.decode(kind, payload)
                staged.limits(stream, place, aggregate.limits(state, event))
                state = aggregate.evolve(state, event)
                staged.rows(stream, place, aggregate, state, event)
        await connection.execute("select unstage($1)", streams)
        for table, columns, records in staged.tables():
            await connection.copy_records_to_table(table, records=records, columns=columns)


async def _moved(connection: asyncpg.Connection, since: int) -> list[str]:
    """The streams with events behind a position, or without a position yet."""
    rows = await connection.fetch(
        "select stream from log where position > $1 union select stream from unsequenced", since
    )
    return [row["stream"] for row in rows]


class _Staged:
    """What some streams hold, use and show. A later event of a stream has the last word over its earlier ones."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str, str], int] = {}
        self._places: dict[tuple[str, str, str], int] = {}
        self._used: dict[tuple[str, str, str], Decimal] = {}
        self._bounds: dict[tuple[str, str, str], tuple[Decimal, int]] = {}
        self._rows: dict[tuple[str, str, str], tuple[bytes | None, int]] = {}

    def limits(self, stream: str, place: int, changes: Iterable[LimitChange]) -> None:
        for change in changes:
            name = (stream, change.scope, change.key)
            match change:
                case Take():
                    self._held[name] = 1
                case Release():
                    self._held.pop(name, None)
                case TakePlace():
                    self._places[name] = self._places.get(name, 0) + 1
                case ReleasePlace():
                    self._places.pop(name, None)
                case SetBound():
                    self._bounds[name] = (change.bound, place)
                case Use():
                    self._used[name] = self._used.get(name, Decimal(0)) + change.amount

    def rows(self, stream: str, place: int, aggregate: Aggregate[Any], state: Any, event: Any) -> None:
        for row in aggregate.rows(stream, state, event):
            value = None if row.value is None else msgspec.json.encode(row.value)
            self._rows[stream, row.view, row.key] = (value, place)

    def tables(self) -> Iterable[tuple[str, list[str], list[tuple[Any, ...]]]]:
        yield "staged_held", ["stream", "scope", "key"], list(self._held)
        yield "staged_place", ["stream", "scope", "key", "places"], [(*name, n) for name, n in self._places.items()]
        yield "staged_use", ["stream", "scope", "key", "amount"], [(*name, n) for name, n in self._used.items()]
        yield "staged_bound", ["stream", "scope", "key", "bound", "place"], [(*n, *b) for n, b in self._bounds.items()]
        yield "staged_row", ["stream", "view", "key", "value", "place"], [(*n, *r) for n, r in self._rows.items()]
