"""A killed service or broker changes nothing but the time a demo takes."""

import asyncio
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local import state
from deploy.local.client import Client
from deploy.local.clock import progress_of
from deploy.local.demo.run import Outcome, runs_of
from deploy.local.endpoints import Endpoints
from deploy.local.settings import SERVICES
from tests.e2e.conftest import FOUNDERS
from tests.e2e.stories import run_demo
from tests.faults.campaign import holds
from tests.faults.report import Result, keep

pytestmark = pytest.mark.stack

FROM, UNTIL = 0.05, 0.7
"""A kill comes when so many of the events of a demo have been recorded, whatever time that takes."""


def restarts(directory: Path, part: str) -> int:
    running = state.running(directory)
    assert running is not None
    return running.parts[part].restarts


async def recorded(client: Client) -> int:
    """How many events all services have sequenced."""
    return sum(item["head"] for item in (await progress_of(client)).values())


async def kill_at(client: Client, directory: Path, part: str, events: float) -> None:
    while await recorded(client) < events:
        await asyncio.sleep(0.02)
    running = state.running(directory)
    assert running is not None
    pid = running.parts[part].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


async def disturbed(
    endpoints: Endpoints, directory: Path, part: str, of_a_demo: float, chance: random.Random
) -> Outcome:
    """A demo, of so many events, during which `part` is killed: once it has begun and before it has ended."""
    before, share = restarts(directory, part), chance.uniform(FROM, UNTIL)
    print(f"kill -9 {part} after {share:.3f} of a demo's {of_a_demo:.0f} events")  # shown where the round fails
    async with Client(endpoints, "faults/watch") as client:
        at = await recorded(client) + share * of_a_demo
        killing = asyncio.create_task(kill_at(client, directory, part, at))
        outcome = await run_demo(endpoints, directory, FOUNDERS)
        assert killing.done(), "the demo was over before the kill: lower UNTIL"
        await killing
    assert restarts(directory, part) == before + 1
    return outcome


@pytest.fixture
async def of_a_demo(demonstrated: Outcome, client: Client, directory: Path) -> float:
    """How many events a demo of the session's stack records."""
    return await recorded(client) / len(runs_of(directory))


async def test_a_service_killed_at_any_moment_changes_no_figure(
    of_a_demo: float, endpoints: Endpoints, directory: Path, seed: str
) -> None:
    chance = random.Random(seed)
    outcome = await disturbed(endpoints, directory, chance.choice(SERVICES), of_a_demo, chance)
    await holds(endpoints, directory, outcome)


async def test_a_broker_that_dies_and_comes_back_empty_changes_no_figure(
    of_a_demo: float, endpoints: Endpoints, directory: Path, seed: str
) -> None:
    outcome = await disturbed(endpoints, directory, "broker", of_a_demo, random.Random(seed))
    await holds(endpoints, directory, outcome)


@pytest.mark.full
@pytest.mark.parametrize("part", [*SERVICES, "broker", "postgres"])
async def test_whatever_part_is_killed_the_figures_stay(
    part: str, of_a_demo: float, fresh_stack: Callable[[], tuple[Path, Endpoints]], seed: str
) -> None:
    directory, endpoints = fresh_stack()
    outcome = await disturbed(endpoints, directory, part, of_a_demo, random.Random(seed))
    await holds(endpoints, directory, outcome)
    keep(Result("`kill -9` at any moment of a demo", part, 1, "all holds", seed))
