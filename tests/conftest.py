"""What tests of several kinds share."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.brokers import Brokers


@pytest.fixture(scope="session")
async def brokers(tmp_path_factory: pytest.TempPathFactory) -> "AsyncIterator[Brokers]":
    """Brokers on demand, all gone at the end."""
    from tests.brokers import Brokers  # most tests need none

    made = Brokers(tmp_path_factory.mktemp("brokers"))
    yield made
    await made.close()
