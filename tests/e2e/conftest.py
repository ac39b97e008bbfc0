"""One stack for all end-to-end tests, one demo in it, and the tools to ask it things."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from deploy.local import ports, stack
from deploy.local.client import Client
from deploy.local.clock import now_of, progress_of
from deploy.local.demo.run import Outcome
from deploy.local.endpoints import Endpoints
from deploy.local.plan import StackOptions
from tests.e2e.caller import Caller, Minter
from tests.e2e.stories import run_demo

FOUNDERS = 20
"""Every road at least once, most of them paid."""


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the session's stack keeps everything; it runs as long as the session."""
    chosen = tmp_path_factory.mktemp("stack")
    try:
        stack.up(chosen, StackOptions(port_base=ports.find_base(21101)))
        yield chosen
    finally:
        stack.down(chosen)


@pytest.fixture(scope="session")
def endpoints(directory: Path) -> Endpoints:
    """The ports and tokens of the session's stack; both survive a restart of it, so they are read once."""
    return stack.up(directory, StackOptions())


@pytest.fixture(scope="session")
async def demonstrated(directory: Path, endpoints: Endpoints) -> Outcome:
    """The first demo: 20 founders from registration to payment."""
    return await run_demo(endpoints, directory, FOUNDERS)


@pytest.fixture
async def client(endpoints: Endpoints) -> AsyncIterator[Client]:
    """The patient client of the demo, with idempotency keys of its own for each test."""
    async with Client(endpoints, f"e2e/{uuid4()}") as opened:
        yield opened


@pytest.fixture
async def call(endpoints: Endpoints) -> AsyncIterator[Caller]:
    """Raw HTTP: what a service answers, whatever it is."""
    limits = httpx.Limits(max_connections=20)
    async with httpx.AsyncClient(timeout=30.0, trust_env=False, limits=limits) as http:
        yield Caller(http, endpoints)


@pytest.fixture(scope="session")
def mint(directory: Path) -> Minter:
    """Tokens that the sandbox does not hand out, such as one person with two roles."""
    return Minter(directory)


@pytest.fixture
async def now(client: Client) -> datetime:
    """Where the business clock stands."""
    return now_of(await progress_of(client))


@pytest.fixture
def fresh_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], tuple[Path, Endpoints]]]:
    """A stack of a test's own, for rounds that would use up the year of the session's one."""
    started: list[Path] = []

    def start() -> tuple[Path, Endpoints]:
        chosen = tmp_path_factory.mktemp("own")
        started.append(chosen)
        return chosen, stack.up(chosen, StackOptions(port_base=ports.find_base(23101)))

    try:
        yield start
    finally:
        for chosen in started:
            stack.down(chosen)
