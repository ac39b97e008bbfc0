"""One database and one role per service, and a role that may read all of them."""

from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from deploy.local.settings import SERVICES

READER = "huchuang_reader"


def name_of(service: str) -> str:
    """The name of a service's database and of the role that owns it."""
    return f"huchuang_{service}"


def dsn(admin: str, role: str, password: str, database: str) -> str:
    """The administrator's URL turned into another role's, on another database."""
    parts = urlsplit(admin)
    host = parts.netloc.rpartition("@")[2]
    login = f"{quote(role, safe='')}:{quote(password, safe='')}@{host}"
    return urlunsplit(parts._replace(netloc=login, path=f"/{database}"))


async def provision(admin: str, passwords: Mapping[str, str], *, fresh: bool = False) -> None:
    """Make roles and databases that are missing, give each role the password in `passwords` (by role).

    `admin` is the URL of a superuser. `fresh` drops the services' databases, and all that is in them, before.
    """
    connection: asyncpg.Connection = await asyncpg.connect(admin)
    try:
        for role, password in passwords.items():
            await _role(connection, role, password)
        there = {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
        for database in map(name_of, SERVICES):
            if fresh and database in there:
                await connection.execute(f'DROP DATABASE "{database}" WITH (FORCE)')
            if fresh or database not in there:
                await create(connection, database, owner=database)
        await connection.execute(f'GRANT pg_read_all_data TO "{READER}"')
        await connection.execute(f'ALTER ROLE "{READER}" SET default_transaction_read_only = on')
    finally:
        await connection.close()


async def create(connection: asyncpg.Connection, database: str, *, owner: str) -> None:
    """Make an empty database that its owner and the reader may enter; `connection` is a superuser's."""
    await connection.execute(f'CREATE DATABASE "{database}" OWNER "{owner}" TEMPLATE template0')
    await connection.execute(f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC')
    await connection.execute(f'GRANT CONNECT ON DATABASE "{database}" TO "{READER}"')


def on(dsn: str, database: str) -> str:
    """The same server and login, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


async def _role(connection: asyncpg.Connection, role: str, password: str) -> None:
    exists = await connection.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", role)
    statement: str = await connection.fetchval(
        "SELECT format('%s ROLE %I LOGIN NOSUPERUSER NOCREATEDB PASSWORD %L', $1::text, $2::text, $3::text)",
        *("ALTER" if exists else "CREATE", role, password),
    )
    await connection.execute(statement)
