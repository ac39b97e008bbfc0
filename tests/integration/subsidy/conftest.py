"""Subsidy's own database for each test, its store, and what gives positions."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import asyncpg
import pytest

from deploy.local.migrations import migrate
from deploy.local.postgres import PostgresServer
from services.subsidy.wiring import DEFINITION
from shared.eventstore.reader import LogReader
from shared.eventstore.sequencer import Sequencer
from shared.eventstore.store import Store
from shared.runtime.parts import open_pool
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey


class Place(NamedTuple):
    pool: asyncpg.Pool
    store: Store
    reader: LogReader
    sequencer: Sequencer

    async def sequence(self) -> None:
        """Give every event that waits its position."""
        while await self.sequencer.step():
            pass


@pytest.fixture
async def place(postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Place]:
    name = f"subsidy_{uuid4().hex}"
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute(f"create database {name} template template0")
    await asyncio.to_thread(migrate, "subsidy", postgres.dsn(name))
    async with await open_pool(postgres.dsn(name)) as pool:
        keyring = Keyring(FileMasterKey(tmp_path / "master.key"))
        store = Store(pool, DEFINITION.aggregates, keyring, upcasts=DEFINITION.upcasts, views=DEFINITION.views)
        reader = LogReader(pool)
        await reader.start()
        yield Place(pool, store, reader, Sequencer(pool, store.appended, reader.advance))
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()
