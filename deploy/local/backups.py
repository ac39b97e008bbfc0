"""A backup: one file with everything that a service's database held at one moment.

A tar file, mode 0600, with `manifest.json` and `database.dump`, which is what PostgreSQL's own `pg_dump` makes.
Personal data in it is sealed, and its keys are wrapped under the service's master key, which is not in it: a copy
opens nothing on its own, and goes dark when that master key is destroyed (`shared/vault/rotation.py`, `KEEP`).
"""

import asyncio
import hashlib
import os
import secrets
import shutil
import tarfile
from asyncio.subprocess import PIPE
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg
import msgspec

from deploy.local import postgres
from deploy.local.failures import StackFailed
from shared.proof.merkle import root

FORMAT = 1
MANIFEST = "manifest.json"
DUMP = "database.dump"
CHUNK = 1024 * 1024


class BackupRefused(StackFailed):
    """A file that is not restored, and why."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup is of. `taken_at` is the wall clock, UTC; `tables` says how many rows each has."""

    format: int = FORMAT
    service: str
    log_id: str
    revision: str
    """The newest migration of the tables."""
    position: int
    root: str
    """Of the log's Merkle tree, hexadecimal."""
    taken_at: datetime
    tables: dict[str, int]
    sha256: str
    """Of the dump."""


async def back_up(dsn: str, service: str, file: Path) -> Manifest:
    """Back a service's database up into `file`, which is either whole or not there. The service goes on meanwhile."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    connection: asyncpg.Connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            if await connection.fetchval("select former is not null from log_identity"):
                raise StackFailed(f"{service} came out of a backup itself: run huchuang reconcile {service} first")
            snapshot = await connection.fetchval("select pg_export_snapshot()")
            with _beside(file) as dump:
                await _run("pg_dump", dsn, "--format=custom", f"--snapshot={snapshot}", f"--file={dump}")
                manifest = await _manifest(connection, service, await asyncio.to_thread(_digest_of, dump))
                with _beside(file) as whole:
                    await asyncio.to_thread(_pack, whole, manifest, dump)
                    whole.replace(file)
    finally:
        await connection.close()
    return manifest


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A private file beside another; what is left of it is gone afterwards."""
    path = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


async def _manifest(connection: asyncpg.Connection, service: str, sha256: str) -> Manifest:
    head = await connection.fetchrow("select position, peaks, log_id from log_head, log_identity")
    return Manifest(
        service=service,
        log_id=str(head["log_id"]),
        revision=await connection.fetchval("select version_num from alembic_version"),
        position=head["position"],
        root=root(head["peaks"]).hex(),
        taken_at=datetime.now(UTC),
        tables=await count_rows(connection),
        sha256=sha256,
    )


async def count_rows(connection: asyncpg.Connection) -> dict[str, int]:
    """How many rows each table has, in the connection's snapshot."""
    names = await connection.fetch(
        "select quote_ident(tablename) as name from pg_tables where schemaname = current_schema() order by 1"
    )
    return {row["name"]: await connection.fetchval(f"select count(*) from {row['name']}") for row in names}


def _pack(file: Path, manifest: Manifest, dump: Path) -> None:
    told = msgspec.json.format(msgspec.json.encode(manifest))
    with file.open("wb") as output:
        with tarfile.open(fileobj=output, mode="w") as tar:
            entry = tarfile.TarInfo(MANIFEST)
            entry.size, entry.mode = len(told), 0o600
            tar.addfile(entry, BytesIO(told))
            tar.add(dump, DUMP)
        output.flush()
        os.fsync(output.fileno())


def read_manifest(file: Path) -> Manifest:
    """The manifest of a file whose dump is as it was made. Raises `BackupRefused`."""
    try:
        with tarfile.open(file, "r:") as tar:
            manifest = msgspec.json.decode(_member(tar, MANIFEST).read(), type=Manifest)
            sha256 = _digest(_member(tar, DUMP))
    except FileNotFoundError:
        raise BackupRefused(f"there is no {file}") from None
    except (tarfile.TarError, EOFError, OSError, KeyError, msgspec.MsgspecError) as error:
        raise BackupRefused(f"{file} is no backup, or is damaged: {error}; take another one") from error
    if manifest.format != FORMAT:
        raise BackupRefused(f"{file} has format {manifest.format}, which a later huchuang wrote: use that one")
    if sha256 != manifest.sha256:
        raise BackupRefused(f"{file} is damaged: its content is not what was written; take another one")
    return manifest


async def load(file: Path, dsn: str) -> None:
    """Load the dump of a backup into an empty database, all or nothing. Raises `StackFailed`."""
    with tarfile.open(file, "r:") as tar:
        arguments = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
        await _run("pg_restore", dsn, *arguments, content=_member(tar, DUMP))


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    found = tar.extractfile(name)
    if found is None:
        raise KeyError(name)
    return found


def _digest_of(file: Path) -> str:
    with file.open("rb") as content:
        return _digest(content)


def _digest(content: IO[bytes]) -> str:
    return hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]


async def _run(program: str, dsn: str, *arguments: str, content: IO[bytes] | None = None) -> None:
    """Run one of PostgreSQL's programs on a database. The password is in its environment: arguments are everybody's."""
    parts = urlsplit(dsn)
    shown = urlunsplit(parts._replace(netloc=f"{parts.username}@{parts.hostname}:{parts.port or 5432}"))
    process = await asyncio.create_subprocess_exec(
        *(_tool(program), *arguments, f"--dbname={shown}"),
        stdin=PIPE,
        stdout=PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=_environment(unquote(parts.password or "")),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    said = asyncio.create_task(process.stdout.read())
    try:
        while content is not None and (chunk := content.read(CHUNK)):
            process.stdin.write(chunk)
            await process.stdin.drain()
        process.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        pass  # it has ended; what it said tells why
    code = await process.wait()
    if code != 0:
        raise StackFailed(f"{program} ended with {code}\n{_errors_in(await said)}")
    await said


def _errors_in(said: bytes) -> str:
    """What a program complains of, without the rows that it tells beside: they may be personal."""
    lines = said.decode(errors="replace").splitlines()
    return "\n".join(line.partition(" DETAIL:")[0] for line in lines if "error:" in line or "fatal:" in line.lower())


def _environment(password: str) -> Mapping[str, str]:
    return {**os.environ, "PGPASSWORD": password, "PGAPPNAME": "huchuang", "LC_ALL": "C"}


def _tool(program: str) -> str:
    """The one that comes with our PostgreSQL, else one on the path. Raises `StackFailed`."""
    try:
        return str(postgres.binaries() / program)
    except postgres.PostgresFailed as missing:
        if (found := shutil.which(program)) is None:
            raise StackFailed(f"{program} of PostgreSQL 18 is not here") from missing
        return found
