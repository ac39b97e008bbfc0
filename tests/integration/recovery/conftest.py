"""One service on a real database and with a real broker."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local import databases, migrations, settings
from deploy.local.postgres import PostgresServer
from deploy.local.settings import StackSettings
from shared.messaging import heads as published
from shared.messaging.topics import HEADS, topic_of
from shared.proof import heads
from shared.recovery import topics
from shared.runtime import parts
from tests.brokers import CHOICES, Brokers
from tests.integration.recovery.working import OFTEN, SERVICE, Desk

PASSWORD = "secret"
TEMPLATE = "training_template"


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


@pytest.fixture
async def desk(
    request: pytest.FixtureRequest,
    postgres: PostgresServer,
    migrated: str,
    brokers: Brokers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Desk]:
    """An empty service, with Tansu or the kind of broker that the test names; it does often what others do at times."""
    for module, name in ((heads, "INTERVAL"), (published, "POLL_SECONDS"), (parts, "MARK_SECONDS"), (topics, "QUIET")):
        monkeypatch.setattr(module, name, OFTEN)
    name = databases.name_of(SERVICE)
    dsn = databases.dsn(postgres.dsn(), name, PASSWORD, name)
    admin = await asyncpg.connect(postgres.dsn())
    await _drop(admin, name)
    await admin.execute(f"create database {name} template {migrated} owner {name}")
    await _anew(dsn)
    async with brokers.with_topics(getattr(request, "param", CHOICES[0]), topic_of(SERVICE), HEADS) as broker:
        stack = StackSettings(
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
        settings.write(stack, tmp_path / settings.FILE)
        yield Desk(stack, postgres.dsn(), tmp_path / "backups")
    await _drop(admin, name)
    await admin.close()


async def _drop(admin: asyncpg.Connection, name: str) -> None:
    for row in await admin.fetch("select datname from pg_database where datname = $1 or datname ^@ ($1 || '_')", name):
        await admin.execute(f'drop database "{row["datname"]}" with (force)')


async def _anew(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("update log_identity set log_id = gen_random_uuid()")
    await connection.close()
