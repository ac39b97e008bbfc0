"""What the services stand on is killed over and over: PostgreSQL and Kafka come back as they were, Tansu empty."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.e2e.stories import run_demo
from tests.faults.campaign import holds
from tests.faults.conftest import WarmStack
from tests.faults.fire import Target
from tests.faults.meanwhile import meanwhile
from tests.faults.report import Result, keep, on

pytestmark = [pytest.mark.stack, pytest.mark.full]

FOUNDERS = 12
PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds from one death to the next."""


@asynccontextmanager
async def killed_again_and_again(part: Target, chance: random.Random) -> AsyncIterator[Counter[str]]:
    """Kill a part whenever it is ready and some seconds have passed; yields how often. It is ready again afterwards."""

    async def kill(killed: Counter[str]) -> None:
        while True:
            await asyncio.sleep(chance.choice(PAUSES))
            killed["killed"] += part.send(signal.SIGKILL)

    async with meanwhile(kill) as killed:
        yield killed
    async with asyncio.timeout(60):
        while part.running() is None:
            await asyncio.sleep(0.1)


PARTS = [("tansu", "broker"), ("tansu", "postgres"), ("apache", "broker")]


@pytest.mark.parametrize(("broker", "part"), PARTS, indirect=["broker"])
async def test_a_part_killed_again_and_again_changes_no_figure(
    broker: str, part: str, warm_stack: WarmStack, seed: str
) -> None:
    directory, endpoints = warm_stack(broker)
    async with killed_again_and_again(Target(directory, part), random.Random(seed)) as killed:
        outcome = await run_demo(endpoints, directory, FOUNDERS)
    assert killed.total() > 0
    await holds(endpoints, directory, outcome)
    keep(Result("`kill -9` again and again", on(broker, part), killed.total(), "all holds", seed))
