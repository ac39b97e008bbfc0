"""Many writers at once, hesitating and rolling back, while other transactions stay open: the log comes out whole."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.local.postgres import PostgresServer
from shared.eventstore.calls import APPEND
from shared.eventstore.interruptions import Contended
from shared.eventstore.needs import Needs
from shared.eventstore.reader import LogReader
from shared.eventstore.sequencer import Sequencer
from shared.eventstore.store import Store
from shared.runtime.parts import open_pool
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from tests.integration.eventstore.account import ACCOUNT
from tests.integration.eventstore.commands import move, open_account, stream_of
from tests.integration.eventstore.whole import assert_whole

WRITERS = 24
COMMANDS = 15
STREAMS = 5
PATIENCE = 60


class RolledBack(Exception):
    """The transaction of a group was rolled back after it had written everything."""


class HesitantStore(Store):
    """Holds each append's transaction open for a while, and rolls some back at the end."""

    def __init__(self, pool: asyncpg.Pool, keyring: Keyring, chance: random.Random) -> None:
        super().__init__(pool, [ACCOUNT], keyring)
        self._chance = chance

    async def _fetch(self, query: str, *arguments: object) -> list[Any]:
        if query != APPEND:
            return await super()._fetch(query, *arguments)
        async with self.pool.acquire() as connection, connection.transaction():
            rows = list(await connection.fetch(query, *arguments))
            await asyncio.sleep(self._chance.random() * 0.03)
            if self._chance.random() < 0.2:
                raise RolledBack
            return rows


@asynccontextmanager
async def open_transaction(dsn: str) -> AsyncIterator[None]:
    """A transaction with an id and a snapshot of its own that stays open meanwhile."""
    connection = await asyncpg.connect(dsn)
    transaction = connection.transaction(isolation="repeatable_read")
    await transaction.start()
    await connection.execute("create temporary table held (n int)")
    await connection.fetchval("select count(*) from pg_class")
    try:
        yield
    finally:
        await transaction.rollback()
        await connection.close()


class Follower:
    """Reads the log by position as it grows, and remembers in which order records came."""

    def __init__(self, reader: LogReader) -> None:
        self.reader = reader
        self.seen: list[tuple[int, str, int]] = []

    async def run(self) -> None:
        while True:
            last = self.seen[-1][0] if self.seen else 0
            if await self.reader.wait_beyond(last, 0.1):
                items = await self.reader.read(last, 7)
                self.seen += [(item.position, item.record.stream, item.record.version) for item in items]


@pytest.mark.parametrize("seed", range(3))
async def test_twenty_four_hesitant_writers_lose_double_and_invert_nothing(
    postgres: PostgresServer, dsn: str, store: Store, keys: Path, seed: int
) -> None:
    pool = await open_pool(dsn, maximum=WRITERS + 10)
    reader = LogReader(pool)
    await reader.start()
    follower = Follower(reader)
    streams = [stream_of(await open_account(store, f"s{n}", f"o{n}")) for n in range(STREAMS)]
    done: Counter[str] = Counter()
    unknown = 0

    async def writer(number: int) -> None:
        nonlocal unknown
        chance = random.Random(f"{seed}/{number}")
        mine = HesitantStore(pool, Keyring(FileMasterKey(keys)), chance)
        for _ in range(COMMANDS):
            touched = chance.sample(streams, chance.choice((1, 1, 2, 3)))
            try:
                await move(mine, *touched)
            except (RolledBack, Contended):
                unknown += 1
            else:
                done.update(touched)

    working = [
        asyncio.create_task(task)
        for task in (
            Sequencer(pool, store.appended, reader.advance).run(),
            Sequencer(pool, store.appended, reader.advance).run(),
            reader.listen(),
            follower.run(),
        )
    ]
    try:
        async with open_transaction(dsn), open_transaction(postgres.dsn()), asyncio.timeout(PATIENCE):
            await asyncio.gather(*map(writer, range(WRITERS)))
            written = await pool.fetchval("select count(*) from event")
            while len(follower.seen) < written:
                await asyncio.sleep(0.01)
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
    assert 0 < unknown < WRITERS * COMMANDS
    work = await store.look(Needs(streams=tuple(streams)))
    assert {stream: work.state(ACCOUNT, stream).total for stream in streams} == {s: done[s] for s in streams}
    assert await assert_whole(pool) == written == STREAMS + done.total()
    assert [position for position, _, _ in follower.seen] == list(range(1, written + 1))
    await pool.close()
