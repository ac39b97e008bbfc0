"""Stacks of a test's own, to be treated badly."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from deploy.local import ports, stack
from deploy.local.brokers.choice import DEFAULT
from deploy.local.endpoints import Endpoints
from deploy.local.plan import StackOptions
from tests.brokers import CHOICES, skip_without_apache
from tests.faults import warm
from tests.integration.conftest import dsn, keys, pool, postgres
from tests.integration.messaging.conftest import bootstrap, diary, told

__all__ = ["bootstrap", "diary", "dsn", "keys", "pool", "postgres", "told"]

BASE = 25101


class WarmStack(Protocol):
    """Starts an empty stack, in place of the one before; services named in `seconds` run twice."""

    def __call__(self, broker: str = DEFAULT, *, seconds: tuple[str, ...] = ()) -> tuple[Path, Endpoints]: ...


@pytest.fixture(params=CHOICES)
def broker(request: pytest.FixtureRequest) -> str:
    """Which broker: each test that asks for one is run against every kind."""
    chosen: str = request.param
    if chosen != DEFAULT:
        skip_without_apache()
    return chosen


@pytest.fixture
def warm_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmStack]:
    """Starts an empty stack with warm services (`warm.py`); whatever is started is ended with the test."""
    started: list[Path] = []

    def start(broker: str = DEFAULT, *, seconds: tuple[str, ...] = ()) -> tuple[Path, Endpoints]:
        while started:
            stack.down(started.pop())
        chosen = tmp_path_factory.mktemp("warm")
        started.append(chosen)
        options = StackOptions(port_base=ports.find_base(BASE), broker=broker)
        return chosen, warm.up(chosen, options, warm.Arrangement(seconds=seconds))

    try:
        yield start
    finally:
        for chosen in started:
            stack.down(chosen)
