"""Listings: the read model behind every list, one row per stream, made from its events."""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import asyncpg
import msgspec

from shared.eventstore.decider import Aggregate
from shared.eventstore.follower import Apply
from shared.eventstore.projections import LISTING, Projection, follower_of
from shared.eventstore.reader import Sequenced
from shared.eventstore.record import EventTypes


class Listed(NamedTuple):
    """How a stream appears in lists: `facets` to filter by, such as `status:paid`, and the body that is shown."""

    facets: Sequence[str]
    body: msgspec.Struct


class Lister(NamedTuple):
    """Lists streams of an aggregate under `kind`; `show` is a function of the stream's state alone."""

    kind: str
    aggregate: Aggregate[Any]
    show: Callable[[str, Any], Listed]


class ListingProjection:
    """Keeps one build of `listing`; a row is folded from its stream up to the batch's last version of it."""

    def __init__(self, listers: Sequence[Lister], types: EventTypes, build: int) -> None:
        self._listers = {lister.aggregate.prefix: lister for lister in listers}
        self._types = types
        self._build = build

    async def apply(self, connection: asyncpg.Connection, batch: Sequence[Sequenced]) -> None:
        newest = {
            item.record.stream: item.record.version
            for item in batch
            if item.record.stream.partition("_")[0] in self._listers
        }
        if not newest:
            return
        rows = await connection.fetch(
            "select e.stream, e.version, e.type, e.payload from unnest($1::text[], $2::int[]) as w (stream, version)"
            " join event e on e.stream = w.stream and e.version <= w.version order by e.stream, e.version",
            list(newest),
            list(newest.values()),
        )
        events: dict[str, list[Any]] = {}
        for row in rows:
            events.setdefault(row["stream"], []).append(self._types.decode(row["type"], row["payload"]))
        shown = []
        for stream, version in sorted(newest.items()):
            lister = self._listers[stream.partition("_")[0]]
            facets, body = lister.show(stream, lister.aggregate.fold(events[stream]))
            shown.append((self._build, lister.kind, stream, list(facets), msgspec.json.encode(body), version))
        await connection.executemany(
            "insert into listing (build, kind, id, facets, body, version) values ($1, $2, $3, $4, $5, $6)"
            " on conflict (build, kind, id) do update"
            " set facets = excluded.facets, body = excluded.body, version = excluded.version",
            shown,
        )


def listing(listers: Sequence[Lister], types: EventTypes, version: int) -> Projection:
    """The lists as a projection."""

    def apply(build: int) -> Apply:
        return ListingProjection(listers, types, build).apply

    return Projection(LISTING, version, apply, "forget_retired_listing")


class Page(NamedTuple):
    items: list[bytes]
    next: str | None


async def read_page(
    pool: asyncpg.Pool, kind: str, facets: Sequence[str], after: str | None, limit: int, *, newest_first: bool = False
) -> Page:
    """One page of a list, in order of id; `next` is the cursor of the following page or None."""
    rows = await pool.fetch(
        "select * from read_listing($1, $2, $3, $4, $5)", kind, list(facets), after, limit + 1, newest_first
    )
    return Page([row["body"] for row in rows[:limit]], rows[limit - 1]["id"] if len(rows) > limit else None)


async def caught_up(pool: asyncpg.Pool, token: str, seconds: float) -> bool:
    """Wait until lists show what a consistency token `stream@version` stands for; False when time ran out."""
    stream, _, version = token.rpartition("@")
    if not stream or not re.fullmatch("[0-9]{1,9}", version):
        return True
    deadline = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < deadline:
        shown = await pool.fetchval(
            "select c.position >= l.position"
            " from log l, projection_build b join checkpoint c on c.reader = $4 || b.build"
            " where l.stream = $1 and l.version = $2 and b.name = $3 and b.state = 'live'",
            *(stream, int(version), LISTING, follower_of(LISTING)),
        )
        if shown:
            return True
        await asyncio.sleep(0.02)
    return False


async def shows_what_is_there(pool: asyncpg.Pool, seconds: float, projection: str = LISTING) -> bool:
    """Wait until lists, or another projection, show all that is committed now; False when time ran out."""
    newest = await pool.fetchval("select max(seq) from unsequenced")
    deadline = asyncio.get_running_loop().time() + seconds
    head: int | None = None
    while asyncio.get_running_loop().time() < deadline:
        if head is None and not await pool.fetchval("select exists (select from unsequenced where seq <= $1)", newest):
            head = await pool.fetchval("select position from log_head")
        if head is not None and await pool.fetchval(
            "select c.position >= $1 from projection_build b join checkpoint c on c.reader = $3 || b.build"
            " where b.name = $2 and b.state = 'live'",
            *(head, projection, follower_of(projection)),
        ):
            return True
        await asyncio.sleep(0.02)
    return False
