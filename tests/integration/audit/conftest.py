"""Audit's own database for each test, and its consumer's inbox."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.postgres import PostgresServer
from services.audit.archive.intake import archive_batch
from services.audit.wiring import DEFINITION
from shared.messaging.inbox import Inbox
from tests.integration.places import Place, place_of


@pytest.fixture
async def place(postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Place]:
    async with place_of(DEFINITION, postgres, tmp_path) as made:
        yield made


@pytest.fixture
def inbox(place: Place) -> Inbox:
    return Inbox(place.pool, DEFINITION.name, archive_batch)
