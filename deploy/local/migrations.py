"""Bring each service's database to the newest version of its tables.

Alembic and SQLAlchemy take longer to import than a warm start should last, so a start first compares a fingerprint of
the migration files, and what the databases say of themselves, with what it left behind last time.
Run as a program (`python -m deploy.local.migrations`, databases as JSON on standard input) it migrates in parallel.
"""

import asyncio
import hashlib
import json
import multiprocessing
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from deploy.local.failures import StackFailed

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT / "shared" / "eventstore"
RECORD = "migrations.json"


class MigrationFailed(StackFailed):
    """A database could not be migrated; the message holds what alembic said."""


class Migrated(msgspec.Struct, frozen=True):
    """What a finished migration left: the files it ran and the versions the database then named."""

    fingerprint: str
    versions: list[str]


def location(service: str) -> Path:
    return ROOT / "services" / service / "migrations"


def newest(service: str) -> str:
    """The newest revision of a service's tables that this code knows."""
    return max(path.name[:4] for path in (location(service) / "versions").glob("[0-9]*.py"))


def migrate(service: str, dsn: str, revision: str = "head") -> None:
    """`alembic upgrade` on one database (`postgresql://` DSN) with the service's own migrations."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(location(service)))
    config.set_main_option("path_separator", "os")
    url = dsn.replace("postgresql://", "postgresql+asyncpg://", 1)
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.upgrade(config, revision)


async def migrate_all(databases: Mapping[str, str], directory: Path) -> list[str]:
    """Migrate what is behind; returns the services that were. Raises MigrationFailed."""
    record = directory / RECORD
    known = msgspec.json.decode(record.read_bytes(), type=dict[str, Migrated]) if record.exists() else {}
    behind = {}
    for service, dsn in databases.items():
        if location(service).is_dir() and known.get(service) != await _present(service, dsn):
            behind[service] = dsn
    if behind:
        await _run(behind)
        known |= {service: await _present(service, dsn) for service, dsn in behind.items()}
        record.write_bytes(msgspec.json.encode(known))
    return list(behind)


async def _present(service: str, dsn: str) -> Migrated:
    """The fingerprint of the files as they are, and the versions that the database names."""
    connection: asyncpg.Connection = await asyncpg.connect(dsn)
    try:
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return Migrated("", [])
        rows = await connection.fetch("SELECT version_num FROM alembic_version ORDER BY 1")
    finally:
        await connection.close()
    return Migrated(fingerprint(service), [row["version_num"] for row in rows])


def fingerprint(service: str) -> str:
    """Changes with any file that a migration of `service` may run: its own and the shared event store's."""
    digest = hashlib.sha256()
    for tree in (location(service), SHARED):
        for path in sorted(tree.rglob("*")):
            if path.suffix in (".py", ".sql", ".mako"):
                digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


async def _run(databases: Mapping[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.local.migrations"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(json.dumps(databases).encode())
    if process.returncode != 0:
        raise MigrationFailed(f"migration failed\n{said.decode(errors='replace')}")


def main() -> None:
    """Import once, then one forked process per database: this program has no threads that a fork could cut off."""
    import alembic.command  # noqa: F401
    import sqlalchemy.ext.asyncio  # noqa: F401

    databases: dict[str, str] = json.load(sys.stdin)
    fork: Any = multiprocessing.get_context("fork")
    workers = {service: fork.Process(target=migrate, args=(service, dsn)) for service, dsn in databases.items()}
    for worker in workers.values():
        worker.start()
    for worker in workers.values():
        worker.join()
    failed = [service for service, worker in workers.items() if worker.exitcode != 0]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
