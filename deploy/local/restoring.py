"""Restoring: a backup is loaded beside the live database, examined, given a new `log_id`, and put in its place.

The database that was there is kept, under a name that is told. Both change their names in one transaction, so whoever
is killed at whatever line leaves the one or the other, whole; running it again finishes. Processes of the service lose
their sessions, find another log when they come back, and end themselves (`shared/runtime/parts.py`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg

from deploy.local import databases, migrations
from deploy.local.backups import BackupRefused, Manifest, count_rows, load, read_manifest
from deploy.local.failures import StackFailed
from shared.eventstore.interruptions import DATABASE
from shared.eventstore.reader import LogReader
from shared.eventstore.record import canonical
from shared.eventstore.sequencer import BATCH
from shared.proof.merkle import extend, leaf_hash, root
from shared.recovery.identity import read_identity
from shared.testing.fault_points import FaultPoint, reached

ASIDE = "_before_"
"""Stands in the name of a database that was put aside, between the service's and when that was."""
FRESH = "_restored"
"""Ends the name of a database that is being restored."""


class Restored(NamedTuple):
    """What was restored, and the name of the database that was there before; None: there was none."""

    manifest: Manifest
    aside: str | None


async def restore(admin: str, dsn: str, service: str, file: Path, *, other_log: bool = False) -> Restored:
    """Put a backup in the place of a service's database. `admin` is a superuser's URL, `dsn` the service's.

    `other_log`: also where the database there holds another log. Raises `BackupRefused` for a file that is not fit for
    it: nothing has changed then.
    """
    manifest = await asyncio.to_thread(read_manifest, file)
    _check_fits(manifest, service, file)
    if not other_log:
        await _check_same_log(manifest, dsn, file)
    live = urlsplit(dsn).path.removeprefix("/")
    fresh = f"{live}{FRESH}"
    async with _alone(admin, live) as connection:
        await _drop(connection, fresh)
        try:
            await databases.create(connection, fresh, owner=databases.name_of(service))
            await load(file, databases.on(dsn, fresh))
            await _examine(databases.on(dsn, fresh), manifest, file)
            await asyncio.to_thread(migrations.migrate, service, databases.on(dsn, fresh))
            await _renew(databases.on(dsn, fresh))
            reached(FaultPoint.RESTORE_LOADED)
            aside = await _swap(connection, admin, live, fresh)
        except BaseException:
            with suppress(*DATABASE):
                await _drop(connection, fresh)  # it holds all that the file holds
            raise
        reached(FaultPoint.RESTORE_SWAPPED)
    return Restored(manifest, aside)


async def _drop(connection: asyncpg.Connection, name: str) -> None:
    await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def asides(dsn: str) -> list[str]:
    """The DSNs of the databases that restores of this one have put aside, the youngest first."""
    live = urlsplit(dsn).path.removeprefix("/")
    connection: asyncpg.Connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "select datname from pg_database where datname ^@ $1 order by datname desc", f"{live}{ASIDE}"
        )
    finally:
        await connection.close()
    return [databases.on(dsn, row["datname"]) for row in rows]


def _check_fits(manifest: Manifest, service: str, file: Path) -> None:
    if manifest.service != service:
        raise BackupRefused(f"{file} is a backup of {manifest.service}: huchuang restore {manifest.service} takes it")
    known = migrations.newest(service)
    if manifest.revision > known:
        raise BackupRefused(
            f"{file} has tables of revision {manifest.revision}, this code knows {known}:"
            " update huchuang to the release that wrote it, then again"
        )


async def _check_same_log(manifest: Manifest, dsn: str, file: Path) -> None:
    """The database there holds the log of which this is a backup, or nothing that can be read."""
    try:
        connection: asyncpg.Connection = await asyncpg.connect(dsn)
        try:
            found = await read_identity(connection)
        finally:
            await connection.close()
    except DATABASE:
        return  # it is lost: that is what backups are for
    if str(found.former or found.log_id) != manifest.log_id:
        raise BackupRefused(
            f"{file} is of another log than the database holds: of another deployment, or of before a fresh start."
            " Where the one that is there is to go, say --other-log"
        )


@asynccontextmanager
async def _alone(admin: str, live: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection, and nobody else restores this database meanwhile."""
    connection: asyncpg.Connection = await asyncpg.connect(admin)
    try:
        if not await connection.fetchval("select pg_try_advisory_lock(hashtext($1))", f"restore {live}"):
            raise StackFailed(f"another restore of {live} is running")
        yield connection
    finally:
        await connection.close()


async def _examine(dsn: str, manifest: Manifest, file: Path) -> None:
    """The database is what the manifest says, and its events lead to the root of its log, leaf by leaf."""
    async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
        rows = await count_rows(pool)
        head = await pool.fetchrow("select position, peaks, log_id from log_head, log_identity")
        told = (rows, head["position"], root(head["peaks"]).hex(), str(head["log_id"]))
        if told != (manifest.tables, manifest.position, manifest.root, manifest.log_id):
            raise BackupRefused(f"{file} holds other tables than it says; take another one")
        reader = LogReader(pool)
        await reader.start()
        size, peaks = 0, list[bytes]()
        while found := await reader.read(size, BATCH):
            leaves = [leaf_hash(canonical(item.record)) for item in found]
            if leaves != [item.leaf for item in found]:
                raise BackupRefused(f"{file}: an event behind position {size} is not what was first written")
            peaks = extend(size, peaks, leaves).peaks
            size = found[-1].position
        if (size, peaks) != (head["position"], head["peaks"]):
            raise BackupRefused(f"{file}: its events do not lead to the root of its log; take another one")


async def _renew(dsn: str) -> None:
    connection: asyncpg.Connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("select renew_log()")
    finally:
        await connection.close()


async def _swap(connection: asyncpg.Connection, admin: str, live: str, fresh: str) -> str | None:
    """Let the databases change their names, both or neither; returns the name of the one that was live, if any."""
    there = await connection.fetchval("select true from pg_database where datname = $1", live)
    aside = f"{live}{ASIDE}{datetime.now(UTC):%Y%m%d%H%M%S%f}"
    ending = asyncio.create_task(_end_sessions(admin, live))
    try:
        async with connection.transaction():
            if there:
                # It keeps new sessions waiting, and waits for those that are being ended.
                await connection.execute(f'ALTER DATABASE "{live}" RENAME TO "{aside}"')
            await connection.execute(f'ALTER DATABASE "{fresh}" RENAME TO "{live}"')
    finally:
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)
    return aside if there else None


async def _end_sessions(admin: str, database: str) -> None:
    """End whatever is connected to a database, again and again until cancelled."""
    connection: asyncpg.Connection = await asyncpg.connect(admin)
    try:
        while True:
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", database
            )
            await asyncio.sleep(0.1)
    finally:
        await connection.close()
