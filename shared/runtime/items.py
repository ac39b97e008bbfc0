"""Long work over many items: chosen once, each carried out once, each with a result that can be read page by page.

What is left is what has no result yet, so work that a worker died in goes on where it stood. An item that was carried
out and not noted is carried out again: it must then answer what it answered before, which its idempotency key is for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import asyncpg
import msgspec

from shared.eventstore.projections import LISTING
from shared.runtime.long_work import Progress

AT_ONCE = 16
"""Items under way together: they share groups with everybody else's commands, and must not fill them."""
PIECE = 64
"""Items between two notes of what became of them."""
REST = 0.5
"""How long the work rests after a piece, as a part of the time that the piece took."""
CHOSEN_AT_ONCE = 5000


class Outcome(NamedTuple):
    """What became of one item: a status as HTTP's, and the problem document where there is one."""

    status: int
    problem: bytes | None = None


class Counts(msgspec.Struct, frozen=True):
    """How many items were carried out, and how many were refused."""

    succeeded: int
    failed: int


class Noted(NamedTuple):
    """An item with its place; no status: it is still waiting."""

    number: int
    item: str
    status: int | None
    problem: bytes | None


class Items:
    """The items of one operation."""

    def __init__(self, pool: asyncpg.Pool, operation: str) -> None:
        self._pool = pool
        self._operation = operation

    async def chosen(self) -> bool:
        """Whether the items have been chosen before."""
        found: bool = await self._pool.fetchval(
            "select exists (select from operation_item where operation = $1)", self._operation
        )
        return found

    async def choose(self, items: Sequence[str]) -> None:
        """These items, in this order."""
        async with self._pool.acquire() as connection, connection.transaction():
            for start in range(0, len(items), CHOSEN_AT_ONCE):
                await connection.execute(
                    "insert into operation_item (operation, number, item)"
                    " select $1, $2 + i.number, i.item from unnest($3::text[]) with ordinality as i (item, number)",
                    *(self._operation, start, items[start : start + CHOSEN_AT_ONCE]),
                )

    async def choose_listed(self, kind: str, facets: Sequence[str], one_of: Sequence[str], most: int) -> None:
        """What the live lists show under a kind with all of `facets` and one of `one_of`, in order of id."""
        await self._pool.execute(
            "insert into operation_item (operation, number, item)"
            " select $1, row_number() over (order by l.id), l.id from listing l"
            " where l.build = (select build from projection_build where name = $2 and state = 'live')"
            " and l.kind = $3 and l.facets @> $4 and l.facets && $5 order by l.id limit $6",
            *(self._operation, LISTING, kind, list(facets), list(one_of), most),
        )

    async def left(self, limit: int) -> list[Noted]:
        """The next items that have no result."""
        return [
            Noted(*row)
            for row in await self._pool.fetch(
                "select number, item, status, problem from operation_item"
                " where operation = $1 and status is null order by number limit $2",
                *(self._operation, limit),
            )
        ]

    async def note(self, items: Sequence[Noted], outcomes: Sequence[Outcome]) -> None:
        await self._pool.execute(
            "update operation_item i set status = n.status, problem = n.problem"
            " from unnest($2::integer[], $3::smallint[], $4::bytea[]) as n (number, status, problem)"
            " where i.operation = $1 and i.number = n.number",
            self._operation,
            [item.number for item in items],
            [outcome.status for outcome in outcomes],
            [outcome.problem for outcome in outcomes],
        )

    async def counts(self) -> tuple[int, Counts]:
        """How many items there are, and how many of them have which result."""
        row = await self._pool.fetchrow(
            "select count(*), count(*) filter (where status < 400), count(*) filter (where status >= 400)"
            " from operation_item where operation = $1",
            self._operation,
        )
        return row[0], Counts(row[1], row[2])


async def read_items(
    pool: asyncpg.Pool, operation: str, after: int, limit: int, outcome: str | None = None
) -> list[Noted]:
    """A page of an operation's items behind a place: all, or those that `succeeded`, `failed` or are `waiting`."""
    wanted = {None: "true", "succeeded": "status < 400", "failed": "status >= 400", "waiting": "status is null"}
    rows = await pool.fetch(
        "select number, item, status, problem from operation_item"
        f" where operation = $1 and number > $2 and {wanted[outcome]} order by number limit $3",
        *(operation, after, limit),
    )
    return [Noted(*row) for row in rows]


async def carry_out_each(
    items: Items, one: Callable[[str], Awaitable[Outcome]], progress: Progress, *, at_once: int = AT_ONCE
) -> Counts:
    """Carry out what is left, `at_once` items at a time, with rests between, and note what became of each."""
    room = asyncio.Semaphore(at_once)
    loop = asyncio.get_running_loop()

    async def carried(item: str) -> Outcome:
        async with room:
            return await one(item)

    total, counts = await items.counts()
    done = counts.succeeded + counts.failed
    while piece := await items.left(PIECE):
        began = loop.time()
        await items.note(piece, await asyncio.gather(*(carried(item.item) for item in piece)))
        done += len(piece)
        await progress.tell(done, total)
        await asyncio.sleep((loop.time() - began) * REST)
    return (await items.counts())[1]
