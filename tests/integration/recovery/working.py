"""The service that is restored: what it does, and what an operator does with its database."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.local import restoring
from deploy.local.backups import Manifest, back_up
from deploy.local.restoring import Restored
from deploy.local.settings import StackSettings
from shared.eventstore.needs import Needs
from shared.eventstore.process import Command, Process, Reaction
from shared.eventstore.reader import LogReader
from shared.eventstore.record import Record, canonical, tag_of
from shared.eventstore.store import Store
from shared.eventstore.work import Answer, Work
from shared.recovery.mark import mark_of, read_mark
from shared.recovery.reconcile import Others, Reconciled, reconcile
from shared.recovery.tail import CannotReconcile
from shared.recovery.topics import read_topics
from shared.runtime.definition import ServiceDefinition
from shared.runtime.parts import Parts, open_pool
from shared.testing.fault_points import VARIABLE, FaultPoint
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from tests.integration.eventstore.account import ACCOUNT, Moved, Opened
from tests.integration.eventstore.commands import close, key, move, open_account, set_bound, spend, stream_of
from tests.integration.messaging.working import until

OFTEN = 0.3
"""Seconds between what a service does now and then, and that a reader of topics waits for more."""
APART = "kin"
"""A scope that no event carries."""
SERVICE = "training"
"""Whose role, database and migrations are used; what it does is the small aggregate of the kernel's tests."""


def _greet(record: Record) -> Sequence[Reaction]:
    def handle(work: Work) -> Answer:
        work.append(ACCOUNT, record.stream, [Moved(100)])
        return Answer(204, b"")

    return [Command(needs=Needs(streams=(record.stream,)), handler=handle)]


GREETING = Process(name="greeting", on=frozenset({tag_of(Opened)}), react=_greet)
"""Nothing in the account would keep it from being done twice."""

DEFINITION = ServiceDefinition(
    name=SERVICE,
    title="试验",
    aggregates=(ACCOUNT,),
    routers=(),
    processes=(GREETING,),
    limits_apart=frozenset({APART}),
)


class Desk:
    """The service, and what an operator does with its database."""

    def __init__(self, settings: StackSettings, admin: str, backups: Path) -> None:
        self.settings = settings
        self.admin = admin
        self.dsn = settings.databases[SERVICE]
        self.file = backups / "one.tar"

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Store]:
        """The service runs; when the block has ended all is sequenced, reacted to, published and signed."""
        parts = Parts(DEFINITION, self.settings)
        await parts.start()
        parts.run("all")
        try:
            yield parts.store
            await until(lambda: self._at_rest(parts))
        finally:
            await parts.stop()

    @asynccontextmanager
    async def idle(self) -> AsyncIterator[Store]:
        """The service takes commands, and none of its workers runs."""
        pool = await open_pool(self.dsn)
        try:
            yield Store(pool, [ACCOUNT], Keyring(FileMasterKey(self.settings.secret(SERVICE, "master.key"))))
        finally:
            await pool.close()

    async def _at_rest(self, parts: Parts) -> bool:
        now = await parts.progress()
        done: bool = await parts.pool.fetchval(
            "select coalesce((select max(tree_size) from signed_head), 0) = $1"
            " and coalesce((select position from checkpoint where reader = 'heads'), 0) = $1",
            now["head"],
        )
        waiting = now["unsequenced"] + now["reactions"]
        marked = read_mark(mark_of(self.settings, SERVICE), parts.reader.log_id) == now["head"]
        return done and marked and not waiting and set(now["followers"].values()) == {now["head"]}

    async def copied(self) -> None:
        """A copy of the database, by the server's own means."""
        await self._administer(f"drop database if exists {self._copy}", self._copying)

    async def put_in_place(self) -> None:
        """The copy takes the database's place, and nobody says so."""
        await self._administer(
            f"drop database {self._name} with (force)", f"alter database {self._copy} rename to {self._name}"
        )

    @property
    def _name(self) -> str:
        return self.dsn.rpartition("/")[2]

    @property
    def _copy(self) -> str:
        return f"{self._name}_copy"

    @property
    def _copying(self) -> str:
        return f"create database {self._copy} template {self._name} owner {self._name}"

    async def _administer(self, *statements: str) -> None:
        admin = await asyncpg.connect(self.admin)
        try:
            for statement in statements:
                await admin.execute(statement)
        finally:
            await admin.close()

    async def drop(self, database: str) -> None:
        """A database is lost."""
        await self._administer(f'drop database "{database}" with (force)')

    async def answers(self) -> bool:
        """Whether a process that is started now would answer anything."""
        parts = Parts(DEFINITION, self.settings)
        await parts.start()
        try:
            return not parts.restored
        finally:
            await parts.stop()

    async def back_up(self) -> Manifest:
        return await back_up(self.dsn, SERVICE, self.file)

    async def restore(self, service: str = SERVICE) -> Restored:
        return await restoring.restore(self.admin, self.dsn, service, self.file)

    async def reconcile(self, *, aside: bool = True, others: Others | None = None) -> Reconciled | None:
        """`aside`: whether the database put aside is still there."""
        asides = await restoring.asides(self.dsn) if aside else []

        async def ask(*_: object) -> Others:
            return others or Others([], [])

        return await reconcile(DEFINITION, self.settings, ask, asides)

    async def reconciled(self, *, aside: bool = True, others: Others | None = None) -> Reconciled:
        done = await self.reconcile(aside=aside, others=others)
        assert done is not None
        return done

    async def refused(self, *, aside: bool = False, others: Others | None = None) -> str:
        """Why it cannot be reconciled; nothing has changed then."""
        before = await self.log()
        with pytest.raises(CannotReconcile) as cannot:
            await self.reconcile(aside=aside, others=others)
        assert await self.log() == before
        return str(cannot.value)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the live database says."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    async def execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def log(self) -> list[tuple[Any, ...]]:
        """Everything that makes a log what it is."""
        return [
            *await self.rows("select log_id, former, restored_position from log_identity"),
            *await self.rows("select * from log order by position"),
            *await self.rows("select position, peaks from log_head"),
            *await self.rows("select * from log_subtree order by height, number"),
            *await self.rows("select * from event order by stream, version"),
            *await self.rows("select * from stream order by id"),
            *await self.rows("select * from limit_unique where holder is not null order by scope, key"),
            *await self.rows("select * from limit_bounded where (used, bound) <> (0, 0) order by scope, key"),
            *await self.rows("select * from inline_row order by view, key"),
        ]

    async def records(self, *, after: int) -> dict[int, bytes]:
        """The canonical bytes of the records behind a position."""
        async with asyncpg.create_pool(self.dsn, min_size=1, max_size=1) as pool:
            reader = LogReader(pool)
            await reader.start()
            return {item.position: canonical(item.record) for item in await reader.read(after, 1000)}

    async def tail(self) -> list[int]:
        """The positions that Kafka holds behind the end of the live log."""
        [(former, position)] = await self.rows("select former, position from log_identity, log_head")
        return sorted((await read_topics(self.settings.kafka, SERVICE, former, position)).records)

    async def killed(self, command: str, at: FaultPoint, *arguments: str) -> int:
        """Run a command in a process that kills itself at a point; returns what it ended with."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.recovery.operator"),
            *(self.settings.directory, self.admin, command, *arguments),
            env={**os.environ, VARIABLE: f"{at}:kill"},
        )
        return await process.wait()


async def work(store: Store, day: str, count: int = 6) -> list[str]:
    """A day's work: accounts with names, money that is spent, and one given up."""
    await set_bound(store, day, "1000.00")
    streams = [
        stream_of(await open_account(store, f"{day}-{n}", f"{day}-{n}", idempotency=key(f"{day}-{n}")))
        for n in range(count)
    ]
    await move(store, *streams[:3])
    await spend(store, day, "12.50")
    await close(store, streams[-1])
    return streams


async def two_days(desk: Desk) -> Manifest:
    """One day's work, a backup, and another day's."""
    async with desk.at_work() as store:
        [first, *_] = await work(store, "monday")
    manifest = await desk.back_up()
    async with desk.at_work() as store:
        await move(store, first)
        await work(store, "tuesday")
    return manifest


async def one_day(desk: Desk) -> Manifest:
    """A day's work that nobody else has seen, and a backup."""
    async with desk.idle() as store:
        await work(store, "monday")
    return await desk.back_up()


async def lost(desk: Desk) -> None:
    """Nothing is left of the database that was put aside."""
    admin = await asyncpg.connect(desk.admin)
    for dsn in await restoring.asides(desk.dsn):
        await admin.execute(f'drop database "{dsn.rpartition("/")[2]}" with (force)')
    await admin.close()
