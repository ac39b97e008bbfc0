"""Fixtures: one server and one broker for the quick tests, a whole stack for the rough ones."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from deploy.local import ports, settings, stack
from deploy.local.brokers.running import running_broker
from deploy.local.plan import StackOptions
from deploy.local.postgres import PostgresServer, running_postgres

FAKE_SERVICE = Path(__file__).with_name("fake_service.py")


@pytest.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PostgresServer]:
    async with running_postgres(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
async def bootstrap(tmp_path: Path) -> AsyncIterator[str]:
    async with running_broker(tmp_path) as address:
        yield address


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one stack left behind: the others start warm from a copy."""
    directory = tmp_path_factory.mktemp("migrated")
    stack.up(directory, stack_options())
    stack.down(directory)
    return directory


@pytest.fixture
def directory(tmp_path: Path, migrated: Path) -> Iterator[Path]:
    """Where a test may start a stack; nothing of it runs afterwards."""
    directory = tmp_path / "stack"
    subprocess.run(["cp", "-a", migrated, directory], check=True)  # shutil would lose the owners
    (directory / settings.FILE).unlink()
    try:
        yield directory
    finally:
        stack.down(directory)


@pytest.fixture
def options() -> Callable[..., StackOptions]:
    """Options of a stack with pretended services, on ports of its own."""

    return stack_options


def stack_options(**changed: object) -> StackOptions:
    wanted: dict[str, object] = {
        "port_base": ports.find_base(20101),
        "service_command": (sys.executable, str(FAKE_SERVICE)),
    }
    return StackOptions(**(wanted | changed))  # type: ignore[arg-type]
