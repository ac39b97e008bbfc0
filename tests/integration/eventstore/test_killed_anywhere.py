"""Two workers on one database, one of them killed or frozen at each line where that could matter."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec
import psutil
import pytest

from shared.eventstore.derived import Derived
from shared.eventstore.listing import read_page
from shared.eventstore.needs import Needs
from shared.eventstore.store import Store
from shared.testing.fault_points import VARIABLE, FaultPoint
from tests.faults.report import Result, keep
from tests.integration.eventstore.account import ACCOUNT
from tests.integration.eventstore.listed import Shown
from tests.integration.eventstore.whole import assert_whole
from tests.integration.eventstore.worker import mirror_of

COUNT = 25
WORKERS = "one of two workers of the kernel"
ONCE = "each event once, in order; limits, lists, reactions and timers agree with them"
PATIENCE = 40
LEASES = (
    *("sequencer", "builder", "reactions", "head_signer"),
    *("follower:processes", "follower:projection:listing:1"),
)

POINTS = [
    point
    for point in FaultPoint
    if point.partition(".")[0] in ("append", "sequence", "follow", "react", "timer", "head")
]
LATER = {FaultPoint.HEAD_SIGNED: (2,)}
"""Heads are signed once a second: a worker that has written all it has to does not reach its fifth."""
ONCE_AND_LATER = [
    *((point, 1) for point in POINTS),
    *(pytest.param(point, on, marks=pytest.mark.full) for point in POINTS for on in LATER.get(point, (2, 5, 9))),
]


@asynccontextmanager
async def worker(dsn: str, keys: Path, name: str, faults: str = "") -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.eventstore.worker", dsn, str(keys), name, str(COUNT)),
        env={**os.environ, VARIABLE: faults},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        await process.communicate()


async def leads(pool: asyncpg.Pool, first: Process) -> None:
    """Wait until the first worker has taken the leases, whatever became of it since."""
    async with asyncio.timeout(PATIENCE):
        while first.returncode is None and await pool.fetchval("select count(*) from lease") < len(LEASES):
            await asyncio.sleep(0.02)


async def until_quiet(pool: asyncpg.Pool) -> None:
    """Wait until all is written, sequenced, followed, reacted to, and no timer is left."""
    question = """
        select (select count(*) from event) = $1
           and not exists (select from unsequenced) and not exists (select from reaction)
           and not exists (select from timer)
           and (select min(position) from checkpoint) = (select position from log_head)
    """
    async with asyncio.timeout(PATIENCE):
        while not await pool.fetchval(question, 2 * COUNT * 3):
            await asyncio.sleep(0.1)


async def assert_once(pool: asyncpg.Pool, store: Store) -> None:
    """Every account was opened once, and its mirror moved once by the event and once by the timer."""
    await assert_whole(pool)
    assert await Derived(pool, store.types).differences() == []
    opened = [row["stream"] for row in await pool.fetch("select stream from event where type = 'test.Opened.v1'")]
    assert len(opened) == 2 * COUNT
    work = await store.look(Needs(streams=tuple(map(mirror_of, opened))))
    assert {work.state(ACCOUNT, mirror_of(stream)).total for stream in opened} == {11}
    listed = (await read_page(pool, "account", [], None, 1000)).items
    totals = {shown.id: shown.total for shown in (msgspec.json.decode(item, type=Shown) for item in listed)}
    assert totals == {**dict.fromkeys(opened, 0), **dict.fromkeys(map(mirror_of, opened), 11)}
    assert await pool.fetchval("select count(*) from parked") == 0


@pytest.mark.parametrize(("point", "on"), ONCE_AND_LATER)
async def test_a_worker_is_killed_and_the_other_goes_on_from_the_right_place(
    dsn: str, keys: Path, pool: asyncpg.Pool, store: Store, point: FaultPoint, on: int
) -> None:
    async with worker(dsn, keys, "first", f"{point}:kill:{on}") as first:
        await leads(pool, first)
        async with worker(dsn, keys, "second"):
            async with asyncio.timeout(PATIENCE):
                assert await first.wait() == -signal.SIGKILL
            async with worker(dsn, keys, "first"):
                await until_quiet(pool)
    await assert_once(pool, store)
    keep(Result("`kill -9` at a fault point", WORKERS, 1, ONCE, ""))


@pytest.mark.parametrize("point", [p for p in POINTS if not p.startswith("append")])
async def test_a_worker_that_is_frozen_past_its_lease_does_no_harm_when_it_wakes(
    dsn: str, keys: Path, pool: asyncpg.Pool, store: Store, point: FaultPoint
) -> None:
    async with worker(dsn, keys, "first", f"{point}:stop:2") as first:
        await leads(pool, first)
        async with worker(dsn, keys, "second") as second:
            assert second.stdout is not None
            async with asyncio.timeout(PATIENCE):
                await second.stdout.readline()
                while psutil.Process(first.pid).status() != psutil.STATUS_STOPPED:
                    await asyncio.sleep(0.02)
            await asyncio.sleep(2)
            first.send_signal(signal.SIGCONT)
            await until_quiet(pool)
    await assert_once(pool, store)
    keep(Result("frozen at a fault point, taken over, woken", WORKERS, 1, ONCE, ""))
