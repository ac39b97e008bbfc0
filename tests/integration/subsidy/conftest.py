"""Subsidy's own database for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.postgres import PostgresServer
from services.subsidy.wiring import DEFINITION
from tests.integration.places import Place, place_of


@pytest.fixture
async def place(postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Place]:
    async with place_of(DEFINITION, postgres, tmp_path) as made:
        yield made
