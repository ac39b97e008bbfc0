"""A real PostgreSQL for the whole session, and an empty kernel in a database of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.postgres import PostgresServer, running_postgres
from shared.eventstore.migrations import TABLES, kernel_functions, statement
from shared.runtime.parts import open_pool

TEMPLATE = "kernel_template"


@pytest.fixture(scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PostgresServer]:
    async with running_postgres(tmp_path_factory.mktemp("postgres")) as running:
        connection = await asyncpg.connect(running.dsn())
        await connection.execute(f"create database {TEMPLATE}")
        await connection.close()
        template = await asyncpg.connect(running.dsn(TEMPLATE))
        for name in TABLES:
            await template.execute(statement(name))
        await template.execute(kernel_functions())
        await template.close()
        yield running


@pytest.fixture
async def dsn(postgres: PostgresServer, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The DSN of a fresh database with the kernel in it."""
    name = f"kernel_{abs(hash(request.node.nodeid))}"
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute(f"drop database if exists {name} with (force)")
    await admin.execute(f"create database {name} template {TEMPLATE}")
    connection = await asyncpg.connect(postgres.dsn(name))
    await connection.execute("update log_identity set log_id = gen_random_uuid()")
    await connection.close()
    yield postgres.dsn(name)
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    opened = await open_pool(dsn)
    yield opened
    await opened.close()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "master.key"
