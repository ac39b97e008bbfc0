"""The demo ends as the city's roads say, again and again, and afterwards everything holds that must hold."""

from pathlib import Path

import pytest

from deploy.local.client import Client
from deploy.local.demo.run import Outcome, runs_of
from deploy.local.endpoints import Endpoints
from shared.testing.city import Road
from tests.e2e.conftest import FOUNDERS
from tests.e2e.stories import broken, predicted, run_demo

pytestmark = pytest.mark.stack


def test_the_demo_ends_with_the_figures_that_its_roads_predict(demonstrated: Outcome, directory: Path) -> None:
    city = runs_of(directory)[demonstrated.run - 1].city()
    assert {founder.road for founder in city.founders} == set(Road)
    assert demonstrated.figures == predicted(city)


def test_every_history_rebuilt_from_kafka_is_identical(demonstrated: Outcome) -> None:
    assert len(demonstrated.comparisons) == demonstrated.figures.claims > FOUNDERS
    assert [item for item in demonstrated.comparisons if item.findings] == []


async def test_after_the_demo_all_holds_that_must_hold(demonstrated: Outcome, client: Client, directory: Path) -> None:
    assert await broken(client, directory) == []


async def test_a_second_demo_has_the_same_figures_with_other_people(
    demonstrated: Outcome, endpoints: Endpoints, directory: Path
) -> None:
    again = await run_demo(endpoints, directory, FOUNDERS)
    assert again.figures == demonstrated.figures
    first, second = (set(runs_of(directory)[run - 1].city().personal_values()) for run in (demonstrated.run, again.run))
    assert first.isdisjoint(second)
