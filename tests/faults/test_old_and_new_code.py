"""Old and new code side by side on one database and one topic, as an event changes: expand, migrate, contract.

A till's deposits are counted in yuan by the first version of the event and in fen by the second. Each step of the
change is code that differs; two neighbours always run at once, both write to the same streams, and either may lead.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import asyncpg
import msgspec

from shared.eventstore.decider import Aggregate, Event, Upcast
from shared.eventstore.derived import Derived
from shared.eventstore.listing import Listed, Lister, listing, read_page
from shared.eventstore.needs import Fact, Needs
from shared.eventstore.projections import Builder
from shared.eventstore.reader import LogReader
from shared.eventstore.record import Actor
from shared.eventstore.sequencer import Sequencer
from shared.eventstore.store import Store, new_context
from shared.eventstore.work import Answer, Work
from shared.messaging.consumer import Consumer
from shared.messaging.inbox import Inbox
from shared.messaging.intake import Foreign, Intake, Listens, Note
from shared.messaging.relay import Relay
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from tests.faults.report import Result, keep
from tests.integration.eventstore.whole import assert_whole
from tests.integration.messaging.conftest import CONSUMER, SOURCE
from tests.integration.messaging.working import until

STREAMS = [f"til_{number}" for number in range(5)]
DEPOSITS = 30
"""By each of the two, into one till after the other, two yuan a time."""
YUAN = 2


class DepositedYuan(Event, frozen=True, tag="till.Deposited.v1"):
    yuan: int


class DepositedFen(Event, frozen=True, tag="till.Deposited.v2"):
    fen: int
    cash: bool


class Till(msgspec.Struct, frozen=True):
    fen: int = 0


def evolve(till: Till, event: Event) -> Till:
    match event:
        case DepositedYuan():
            return Till(till.fen + 100 * event.yuan)
        case DepositedFen():
            return Till(till.fen + event.fen)
        case _:
            return till


def in_yuan() -> Event:
    return DepositedYuan(YUAN)


def in_fen() -> Event:
    return DepositedFen(100 * YUAN, cash=True)


def as_fen(old: dict[str, Any]) -> dict[str, Any]:
    return {"fen": 100 * old["yuan"], "cash": True}


@dataclass(frozen=True)
class Code:
    """What is deployed at one step: the events that it knows, and which it writes."""

    events: tuple[type[Event], ...]
    writes: Callable[[], Event]
    listing_version: int
    upcasts: Sequence[Upcast] = ()

    @property
    def till(self) -> Aggregate[Till]:
        return Aggregate("til", self.events, Till, evolve)


OLD = Code((DepositedYuan,), in_yuan, 1)
EXPANDED = Code((DepositedYuan, DepositedFen), in_yuan, 2)
MIGRATED = Code((DepositedYuan, DepositedFen), in_fen, 2)
CONTRACTED = Code((DepositedFen,), in_fen, 3, [Upcast("till.Deposited.v1", "till.Deposited.v2", as_fen)])


class Shown(msgspec.Struct, frozen=True):
    id: str
    fen: int


class Known(Fact, frozen=True):
    """What the other service knows of a till."""

    fen: int


class HeardYuan(Foreign, frozen=True):
    yuan: int


class HeardFen(Foreign, frozen=True):
    fen: int


def more(stream: str, fen: int) -> Note:
    return Note(Known, stream, lambda known: Known((0 if known is None else known.fen) + fen))


LISTENS: dict[type[Event], Listens[Any]] = {
    DepositedYuan: Listens("till.Deposited.v1", HeardYuan, lambda at, event: [more(at.stream, 100 * event.yuan)]),
    DepositedFen: Listens("till.Deposited.v2", HeardFen, lambda at, event: [more(at.stream, event.fen)]),
}


@asynccontextmanager
async def deployed(code: Code, pool: asyncpg.Pool, store: Store, bootstrap: str) -> AsyncIterator[None]:
    """A process of this code: it sequences, lists, publishes, and hears as the other service what was published."""
    reader = LogReader(pool)
    await reader.start()
    lister = Lister("till", code.till, lambda stream, till: Listed([], Shown(stream, till.fen)))
    lists = listing([lister], store.types, code.listing_version)
    hears = Intake([LISTENS[DepositedYuan], *(LISTENS[kind] for kind in code.events if kind is DepositedFen)])
    tasks = [
        asyncio.create_task(work)
        for work in (
            reader.listen(),
            Sequencer(pool, store.appended, reader.advance).run(),
            Builder(pool, reader, [lists], Derived(pool, store.types)).run(),
            Relay(pool, reader, SOURCE, bootstrap).run(),
            Consumer(pool, Inbox(pool, CONSUMER, hears.effect), [SOURCE], bootstrap).run(),
        )
    ]
    try:
        yield
        assert not any(task.done() for task in tasks), [task for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def deposit(code: Code, store: Store, stream: str) -> None:
    def handle(work: Work) -> Answer:
        work.append(code.till, stream, [code.writes()])
        return Answer(204, b"")

    await store.carry_out(Needs(streams=(stream,)), handle, new_context(Actor("test")))


async def totals(code: Code, store: Store) -> set[int]:
    work = await store.look(Needs(streams=tuple(STREAMS)))
    return {work.state(code.till, stream).fen for stream in STREAMS}


async def heard(pool: asyncpg.Pool, expected: set[int]) -> bool:
    """Whether the other service knows of all tills what is expected."""
    rows = await pool.fetch("select value from fact")
    return {msgspec.json.decode(row["value"], type=Known).fen for row in rows} == expected


async def listed(pool: asyncpg.Pool, versions: set[int], expected: set[int]) -> bool:
    """Whether the list of one of these versions is the live one and shows what is expected."""
    live = await pool.fetchval("select version from projection_build where name = 'listing' and state = 'live'")
    items = (await read_page(pool, "till", [], None, 100)).items
    return live in versions and {msgspec.json.decode(item, type=Shown).fen for item in items} == expected


async def test_neighbours_work_side_by_side_through_a_change_of_an_event(
    pool: asyncpg.Pool, keys: Any, bootstrap: str
) -> None:
    steps = (OLD, EXPANDED, MIGRATED, CONTRACTED)
    master = FileMasterKey(keys)
    for number, pair in enumerate(pairwise(steps), start=1):
        stores = [Store(pool, [code.till], Keyring(master), upcasts=code.upcasts) for code in pair]
        both = list(zip(pair, stores, strict=True))
        expected = {2 * number * DEPOSITS // len(STREAMS) * 100 * YUAN}
        (before, old), (after, new) = both
        async with deployed(after, pool, new, bootstrap):
            async with deployed(before, pool, old, bootstrap):
                await asyncio.gather(
                    *(deposit(code, store, STREAMS[n % len(STREAMS)]) for n in range(DEPOSITS) for code, store in both)
                )
                for code, store in both:
                    assert await totals(code, store) == expected
                await until(partial(heard, pool, expected))
                await until(partial(listed, pool, {before.listing_version, after.listing_version}, expected))
            await until(partial(listed, pool, {after.listing_version}, expected))
    await assert_whole(pool)
    assert await pool.fetchval("select count(*) from parked") == 0
    kinds = {row["type"] for row in await pool.fetch("select distinct type from event")}
    assert kinds == {"till.Deposited.v1", "till.Deposited.v2"}
    outcome = "expand, migrate, contract: both write, read, list, publish and hear; nothing parked"
    keep(Result("old and new code side by side", "one database, one topic", len(steps) - 1, outcome, ""))


async def test_code_that_was_not_expanded_in_time_parks_what_it_does_not_know_and_catches_up(
    pool: asyncpg.Pool, keys: Any, bootstrap: str
) -> None:
    """The order of the steps was not kept: a consumer hears of fen before it knows them. Nothing is lost by that."""
    store = Store(pool, [MIGRATED.till], Keyring(FileMasterKey(keys)))
    reader = LogReader(pool)
    await reader.start()
    old, new = (
        Inbox(pool, CONSUMER, Intake(kinds).effect) for kinds in ([LISTENS[DepositedYuan]], [*LISTENS.values()])
    )

    async def passed(count: int) -> bool:
        return bool(await pool.fetchval("select coalesce(max(watermark), 0) = $1 from applied", count))

    tasks = [
        asyncio.create_task(work)
        for work in (
            Sequencer(pool, store.appended, reader.advance).run(),
            Relay(pool, reader, SOURCE, bootstrap).run(),
            Consumer(pool, old, [SOURCE], bootstrap).run(),
        )
    ]
    try:
        for code in (EXPANDED, MIGRATED, EXPANDED):
            await deposit(code, store, STREAMS[0])
        await until(lambda: passed(3), tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert await pool.fetchval("select count(*) from parked") == 2
    assert (await new.retry(STREAMS[0])).served == 2
    known = msgspec.json.decode(await pool.fetchval("select value from fact"), type=Known)
    assert known.fen == 3 * 100 * YUAN
    keep(
        Result("an event of a version still unknown", "consumer", 1, "parked; after the upgrade a retry applies it", "")
    )
