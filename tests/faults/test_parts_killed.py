"""What the services stand on is killed over and over: PostgreSQL and Kafka come back as they were, Tansu empty."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.e2e.stories import run_demo
from tests.faults.campaign import holds
from tests.faults.conftest import WarmStack
from tests.faults.fire import Target
from tests.faults.report import Result, keep, on

pytestmark = [pytest.mark.stack, pytest.mark.full]

FOUNDERS = 12
PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds from one death to the next."""


@asynccontextmanager
async def killed_again_and_again(part: Target, chance: random.Random) -> AsyncIterator[list[int]]:
    """Kill a part whenever it is ready and some seconds have passed; yields how often."""
    killed = [0]

    async def kill() -> None:
        while True:
            await asyncio.sleep(chance.choice(PAUSES))
            if part.running() is not None:
                part.send(signal.SIGKILL)
                killed[0] += 1

    killing = asyncio.create_task(kill())
    try:
        yield killed
    finally:
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)
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
    assert killed[0] > 0
    await holds(endpoints, directory, outcome)
    keep(Result("`kill -9` again and again", on(broker, part), killed[0], "all holds", seed))
