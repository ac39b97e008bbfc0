"""Notify's own database for each test, and somebody who receives webhooks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.postgres import PostgresServer
from services.notify.wiring import DEFINITION
from tests.integration.places import Place, place_of
from tests.receiver import Receiver, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@pytest.fixture
async def place(postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Place]:
    async with place_of(DEFINITION, postgres, tmp_path) as made:
        yield made
