"""A service's own database, its store, and what gives positions, without the service's process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import asyncpg

from deploy.local.migrations import migrate
from deploy.local.postgres import PostgresServer
from shared.eventstore.follower import Follower
from shared.eventstore.projections import Projection, follower_of
from shared.eventstore.reader import LogReader
from shared.eventstore.sequencer import Sequencer
from shared.eventstore.store import Store
from shared.runtime.definition import ServiceDefinition
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

    async def follow(self, projection: Projection, build: int = 1, *, batch: int = 500) -> None:
        """Bring a build of a projection up to the end of the log."""
        await self.sequence()
        name = follower_of(projection.name, build)
        follower = Follower(self.pool, self.reader, name, projection.apply(build), batch=batch)
        async with follower._lease:
            while await follower.step():
                pass


@asynccontextmanager
async def place_of(definition: ServiceDefinition, postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Place]:
    """A fresh database of a service; it is gone afterwards."""
    name = f"{definition.name}_{uuid4().hex}"
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute(f"create database {name} template template0")
    await asyncio.to_thread(migrate, definition.name, postgres.dsn(name))
    async with await open_pool(postgres.dsn(name)) as pool:
        keyring = Keyring(FileMasterKey(tmp_path / "master.key"))
        store = Store(pool, definition.aggregates, keyring, upcasts=definition.upcasts, views=definition.views)
        reader = LogReader(pool)
        await reader.start()
        yield Place(pool, store, reader, Sequencer(pool, store.appended, reader.advance))
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()
