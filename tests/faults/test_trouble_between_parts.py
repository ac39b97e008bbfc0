"""Delays, slowness, cut and half-open connections between any two parts, while a demo runs through them."""

import asyncio
from collections import Counter
from itertools import count
from pathlib import Path

import pytest

from deploy.local import client, ports
from tests.e2e.stories import run_demo
from tests.faults.between import BROKER, SECONDS, SHORT, TROUBLES, Made, away, in_trouble, troubled_stack
from tests.faults.campaign import holds
from tests.faults.conftest import BASE
from tests.faults.proxy import Trouble
from tests.faults.report import Result, keep, on

pytestmark = pytest.mark.stack

FEWER = 8
FOUNDERS = 12
DEMOS = 2
"""At least; each deals anew, and some part may not have had its turn."""
AWAY = (Trouble("cut"), Trouble("half-open"))
AWAY_SECONDS = 120.0


def keep_all(made: Counter[Made], broker: str, seed: str) -> None:
    for (part, trouble), rounds in made.items():
        keep(Result(f"connections: {trouble}", on(broker, f"before {part}"), rounds, "all holds", seed))


async def test_trouble_between_any_two_parts_changes_no_figure(tmp_path: Path, broker: str, seed: str) -> None:
    async with troubled_stack(tmp_path, ports.find_base(BASE), broker) as stack:
        outcomes = []
        async with in_trouble(stack.proxies, seed, SHORT) as made:
            while {trouble for _, trouble in made} != set(TROUBLES):
                outcomes.append(await run_demo(stack.endpoints, stack.directory, FEWER))
        for outcome in outcomes:
            await holds(stack.endpoints, stack.directory, outcome)
    keep_all(made, broker, seed)


@pytest.mark.full
async def test_trouble_all_through_several_demos_changes_no_figure(tmp_path: Path, broker: str, seed: str) -> None:
    made: Counter[Made] = Counter()
    async with troubled_stack(tmp_path, ports.find_base(BASE), broker) as stack:
        for demo in count():
            async with in_trouble(stack.proxies, f"{seed}/{demo}", SECONDS) as some:
                outcome = await run_demo(stack.endpoints, stack.directory, FOUNDERS)
            await holds(stack.endpoints, stack.directory, outcome)
            made += some
            parts, troubles = ({each[place] for each in made} for place in range(2))
            if demo + 1 >= DEMOS and parts == stack.proxies.keys() and troubles == set(TROUBLES):
                break
    keep_all(made, broker, seed)


@pytest.mark.full
async def test_a_broker_that_is_away_for_minutes_changes_no_figure(
    tmp_path: Path, broker: str, seed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is told to come again because a fact has not arrived comes again, for longer than the broker is away."""
    monkeypatch.setattr(client, "PATIENCE", 3 * AWAY_SECONDS)
    async with troubled_stack(tmp_path, ports.find_base(BASE), broker) as stack:
        demo = asyncio.create_task(run_demo(stack.endpoints, stack.directory, FOUNDERS))
        made = await away(stack.proxies[BROKER], AWAY, AWAY_SECONDS, demo)
        await holds(stack.endpoints, stack.directory, await demo)
    assert made.keys() == set(map(str, AWAY))
    where = on(broker, "cut off, then half-open")
    keep(Result(f"broker away for {AWAY_SECONDS:.0f} s", where, made.total(), "all holds", seed))
