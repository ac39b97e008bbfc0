"""What tests of several kinds share."""

import os
import secrets
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from deploy.local import owner

if TYPE_CHECKING:
    from tests.brokers import Brokers


SEED = "HUCHUANG_FAULT_SEED"


def pytest_configure() -> None:
    """No stack that a test starts, in whatever way, outlives this process, even if it is killed."""
    os.environ[owner.VARIABLE] = owner.name_of(os.getpid())


@pytest.fixture
def seed() -> str:
    """The seed of a test: that of `HUCHUANG_FAULT_SEED`, else a new one, which is shown where the test fails."""
    chosen = os.environ.get(SEED) or secrets.token_hex(4)
    print(f"{SEED}={chosen}")
    return chosen


@pytest.fixture(scope="session")
async def brokers(tmp_path_factory: pytest.TempPathFactory) -> "AsyncIterator[Brokers]":
    """Brokers on demand, all gone at the end."""
    from tests.brokers import Brokers  # most tests need none

    made = Brokers(tmp_path_factory.mktemp("brokers"))
    yield made
    await made.close()
