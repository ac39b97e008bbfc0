"""One service on a real database and a real broker: it works, is backed up, restored and reconciled."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.local import databases, migrations, restoring
from deploy.local.backups import Manifest, back_up
from deploy.local.postgres import PostgresServer
from deploy.local.restoring import Restored
from deploy.local.settings import StackSettings
from shared.eventstore.needs import Needs
from shared.eventstore.process import Command, Process, Reaction
from shared.eventstore.record import Record, tag_of
from shared.eventstore.store import Store
from shared.eventstore.work import Answer, Work
from shared.messaging.topics import HEADS, topic_of
from shared.recovery.reconcile import Others, Reconciled, reconcile
from shared.runtime.definition import ServiceDefinition
from shared.runtime.parts import Parts
from tests.brokers import CHOICES, Brokers
from tests.integration.eventstore.account import ACCOUNT, Moved, Opened
from tests.integration.messaging.working import until

PASSWORD = "secret"
TEMPLATE = "training_template"
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
    name=SERVICE, title="试验", aggregates=(ACCOUNT,), routers=(), processes=(GREETING,), limits_apart=frozenset({"kin"})
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

    async def _at_rest(self, parts: Parts) -> bool:
        now = await parts.progress()
        done: bool = await parts.pool.fetchval(
            "select coalesce((select max(tree_size) from signed_head), 0) = $1"
            " and coalesce((select position from checkpoint where reader = 'heads'), 0) = $1",
            now["head"],
        )
        waiting = now["unsequenced"] + now["reactions"]
        return done and not waiting and set(now["followers"].values()) == {now["head"]}

    async def back_up(self) -> Manifest:
        return await back_up(self.dsn, SERVICE, self.file)

    async def restore(self, service: str = SERVICE) -> Restored:
        return await restoring.restore(self.admin, self.dsn, service, self.file)

    async def reconcile(self, *, aside: bool = True, others: Others | None = None) -> Reconciled | None:
        asides = await restoring.asides(self.dsn) if aside else []

        async def ask(*_: object) -> Others:
            return others or Others([], [])

        return await reconcile(DEFINITION, self.settings, ask, asides)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the live database says."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
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


@pytest.fixture(scope="session")
async def migrated(postgres: PostgresServer) -> str:
    """The name of a database with the tables of SERVICE; the role that owns them is there as well."""
    name = databases.name_of(SERVICE)
    admin = await asyncpg.connect(postgres.dsn())
    for role in (name, databases.READER):
        await admin.execute(f"create role {role} login password '{PASSWORD}'")
    await databases.create(admin, TEMPLATE, owner=name)
    await admin.close()
    dsn = databases.dsn(postgres.dsn(), name, PASSWORD, TEMPLATE)
    await asyncio.to_thread(migrations.migrate, SERVICE, dsn)
    return TEMPLATE


@pytest.fixture(params=CHOICES)
async def desk(
    request: pytest.FixtureRequest, postgres: PostgresServer, migrated: str, brokers: Brokers, tmp_path: Path
) -> AsyncIterator[Desk]:
    """An empty service, with each kind of broker."""
    name = databases.name_of(SERVICE)
    dsn = databases.dsn(postgres.dsn(), name, PASSWORD, name)
    admin = await asyncpg.connect(postgres.dsn())
    await _drop(admin, name)
    await admin.execute(f"create database {name} template {migrated} owner {name}")
    await _anew(dsn)
    async with brokers.with_topics(request.param, topic_of(SERVICE), HEADS) as broker:
        settings = StackSettings(
            profile="local",
            directory=str(tmp_path),
            services={SERVICE: "http://127.0.0.1:9"},
            listen={SERVICE: "127.0.0.1:9"},
            databases={SERVICE: dsn},
            kafka=broker.bootstrap,
            issuers=(),
            authority="http://127.0.0.1:9",
            secrets=str(tmp_path / "secrets"),
            data=str(tmp_path / "data"),
        )
        yield Desk(settings, postgres.dsn(), tmp_path / "backups")
    await _drop(admin, name)
    await admin.close()


async def _drop(admin: asyncpg.Connection, name: str) -> None:
    for row in await admin.fetch("select datname from pg_database where datname = $1 or datname ^@ ($1 || '_')", name):
        await admin.execute(f'drop database "{row["datname"]}" with (force)')


async def _anew(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("update log_identity set log_id = gen_random_uuid()")
    await connection.close()
