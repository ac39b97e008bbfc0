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
from deploy.local.demo.run import Outcome, runs_of
from deploy.local.endpoints import Endpoints
from deploy.local.settings import SERVICES
from tests.e2e.conftest import FOUNDERS
from tests.e2e.stories import broken, predicted, run_demo

pytestmark = pytest.mark.stack

CHANCE = random.SystemRandom()
UNTIL = 0.7
"""The last kill comes at this part of the time that the session's first demo took; later ones are a little faster."""


def restarts(directory: Path, part: str) -> int:
    running = state.running(directory)
    assert running is not None
    return running.parts[part].restarts


async def kill_after(directory: Path, part: str, seconds: float) -> None:
    await asyncio.sleep(seconds)
    running = state.running(directory)
    assert running is not None
    pid = running.parts[part].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


async def disturbed(endpoints: Endpoints, directory: Path, part: str, like: Outcome) -> Outcome:
    """A demo `like` another, during which `part` is killed, once it has begun and before it has ended."""
    before, moment = restarts(directory, part), CHANCE.uniform(0.3, UNTIL * like.seconds)
    print(f"kill -9 {part} {moment:.3f} s after the beginning")  # pytest shows it where the round fails
    killing = asyncio.create_task(kill_after(directory, part, moment))
    outcome = await run_demo(endpoints, directory, FOUNDERS)
    assert killing.done(), "the demo was over before the kill: lower UNTIL"
    await killing
    assert restarts(directory, part) == before + 1
    return outcome


async def holds(endpoints: Endpoints, directory: Path, outcome: Outcome) -> None:
    assert outcome.figures == predicted(runs_of(directory)[outcome.run - 1].city())
    async with Client(endpoints, "faults") as client:
        assert await broken(client, directory) == []


async def test_a_service_killed_at_any_moment_changes_no_figure(
    demonstrated: Outcome, endpoints: Endpoints, directory: Path
) -> None:
    outcome = await disturbed(endpoints, directory, CHANCE.choice(SERVICES), demonstrated)
    await holds(endpoints, directory, outcome)


async def test_a_broker_that_dies_and_comes_back_empty_changes_no_figure(
    demonstrated: Outcome, endpoints: Endpoints, directory: Path
) -> None:
    outcome = await disturbed(endpoints, directory, "broker", demonstrated)
    await holds(endpoints, directory, outcome)


@pytest.mark.full
@pytest.mark.parametrize("part", [*SERVICES, "broker", "postgres"])
async def test_whatever_part_is_killed_the_figures_stay(
    part: str, demonstrated: Outcome, fresh_stack: Callable[[], tuple[Path, Endpoints]]
) -> None:
    directory, endpoints = fresh_stack()
    outcome = await disturbed(endpoints, directory, part, demonstrated)
    await holds(endpoints, directory, outcome)
