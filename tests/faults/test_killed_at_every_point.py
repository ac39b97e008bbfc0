"""Every service killed with `kill -9` at every point that it gets to, while founders are trained, paid and listed."""

import os
from collections import Counter

import pytest

from deploy.local.settings import SERVICES
from tests.faults.campaign import demo_under_fire
from tests.faults.conftest import WarmStack
from tests.faults.fire import Target
from tests.faults.report import Result, keep, on
from tests.faults.schedule import PAIRS

pytestmark = pytest.mark.stack

FOUNDERS = 12
FEWER = 8
FEW, MANY = 1, 3
"""How often each service is killed at each point in a demo, as far as it gets there."""
LEAST = 50
ROUNDS = int(os.environ.get("HUCHUANG_FAULT_ROUNDS", "1000"))
MOST_DEMOS = 20
DEMOS_OF_A_STACK = 4
"""Each demo takes the clock to the next holiday; certificates of the year after have no policy."""


def missed(rounds: Counter[str]) -> list[str]:
    """Where no service was killed that gets there in a demo."""
    return [name for name in (f"{service} {point}" for service, point in PAIRS) if not rounds[name]]


async def test_services_killed_all_through_a_demo_change_no_figure(
    broker: str, warm_stack: WarmStack, seed: str
) -> None:
    directory, endpoints = warm_stack(broker)
    targets = [Target(directory, service) for service in SERVICES]
    rounds = await demo_under_fire(endpoints, directory, targets, FEWER, seed, "kill", FEW)
    assert rounds.total() >= LEAST
    keep(Result("`kill -9` at a fault point", on(broker), rounds.total(), "all holds", seed, rounds))


@pytest.mark.full
@pytest.mark.parametrize(("broker", "least"), [("tansu", ROUNDS), ("apache", ROUNDS // 5)], indirect=["broker"])
async def test_a_thousand_kills_at_every_point_change_no_figure(
    broker: str, least: int, warm_stack: WarmStack, seed: str
) -> None:
    rounds: Counter[str] = Counter()
    demos = 0
    while demos < MOST_DEMOS and (rounds.total() < least or missed(rounds)):
        if demos % DEMOS_OF_A_STACK == 0:
            directory, endpoints = warm_stack(broker)
            targets = [Target(directory, service) for service in SERVICES]
        some = await demo_under_fire(endpoints, directory, targets, FOUNDERS, f"{seed}/{demos}", "kill", MANY)
        keep(Result("`kill -9` at a fault point", on(broker), some.total(), "all holds", seed, some))
        rounds += some
        demos += 1
        print(f"{rounds.total()} rounds in {demos} demos", flush=True)
    assert missed(rounds) == []
    assert rounds.total() >= least
