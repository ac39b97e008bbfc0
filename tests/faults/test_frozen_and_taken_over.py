"""Two workers of every service on one database and topic: one is frozen, the other takes over, the first wakes."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from deploy.local import settings
from deploy.local.settings import SERVICES
from shared.testing.fault_points import FaultPoint
from tests.e2e.stories import run_demo
from tests.faults.campaign import demo_under_fire, holds
from tests.faults.conftest import WarmStack
from tests.faults.fire import Target
from tests.faults.meanwhile import meanwhile
from tests.faults.report import Result, keep, on

pytestmark = [pytest.mark.stack, pytest.mark.full]

FEWER = 8
FOUNDERS = 12
FEW = 1
"""How often each worker is frozen at each point, as far as it gets there."""
LEAST = 20
STAY_SECONDS = 1.0
LEAST_GONE = 5


async def changes_of_holder(directory: Path) -> int:
    """How often a lease of any service has gone from one worker to another: each time it gets a new epoch."""
    changes = 0
    for database in settings.read(directory).databases.values():
        connection = await asyncpg.connect(database)
        changes += await connection.fetchval("select coalesce(sum(epoch - 1), 0)::int from lease")
        await connection.close()
    return changes


async def test_workers_frozen_past_their_leases_do_no_harm_when_they_wake(
    broker: str, warm_stack: WarmStack, seed: str
) -> None:
    directory, endpoints = warm_stack(broker, seconds=SERVICES)
    targets = [Target(directory, service, is_second=second) for service in SERVICES for second in (False, True)]
    before = await changes_of_holder(directory)
    rounds = await demo_under_fire(endpoints, directory, targets, FEWER, seed, "stop", FEW)
    assert rounds.total() >= LEAST
    assert any(name.endswith(f" {FaultPoint.PUBLISH_SENT}") for name in rounds)
    assert await changes_of_holder(directory) - before >= LEAST
    where = on(broker, "either of two workers of every service")
    keep(Result("frozen at a fault point, taken over, woken", where, rounds.total(), "all holds", seed, rounds))


@asynccontextmanager
async def coming_and_going(targets: Sequence[Target], chance: random.Random) -> AsyncIterator[Counter[str]]:
    """Every second one of the targets is told to end, and is started again by its supervisor; yields how many were."""

    async def go(ended: Counter[str]) -> None:
        while True:
            await asyncio.sleep(STAY_SECONDS)
            target = chance.choice(targets)
            if (part := target.running()) is not None and target.send(signal.SIGTERM):
                ended[f"{target.service} {part.pid}"] = 1  # one that is ending may be told so again

    async with meanwhile(go) as ended:
        yield ended


async def test_workers_that_come_and_go_every_second_do_not_stop_the_work(
    broker: str, warm_stack: WarmStack, seed: str
) -> None:
    directory, endpoints = warm_stack(broker, seconds=SERVICES)
    targets = [Target(directory, service, is_second=second) for service in SERVICES for second in (False, True)]
    async with coming_and_going(targets, random.Random(seed)) as ended:
        outcome = await run_demo(endpoints, directory, FOUNDERS)
    assert ended.total() >= LEAST_GONE
    await holds(endpoints, directory, outcome)
    where = on(broker, "two of every service")
    keep(Result("workers leaving and joining every second", where, ended.total(), "all holds", seed))
