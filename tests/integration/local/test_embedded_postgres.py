"""PostgreSQL as our child: durable, private, and back after whatever happens to it."""

import asyncio
import os
import signal
import stat
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest

from deploy.local import accounts, databases, postgres
from deploy.local.postgres import PostgresServer, running_postgres
from deploy.local.processes import Account
from deploy.local.settings import SERVICES

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="about running as root")


async def execute(dsn: str, statement: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval(statement))
    finally:
        await connection.close()


def postmaster_of(server: PostgresServer) -> psutil.Process:
    pid = postgres.postmaster_pid(server.directory / "postgres")
    assert pid is not None
    return psutil.Process(pid)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("listen_addresses", "127.0.0.1"),
        ("server_encoding", "UTF8"),
        ("max_connections", "200"),
        ("data_checksums", "on"),
    ],
)
async def test_a_commit_is_kept_and_only_this_machine_is_served(
    setting: str, value: str, server: PostgresServer
) -> None:
    assert await execute(server.dsn(), f"SHOW {setting}") == value


async def test_it_is_postgresql_18(server: PostgresServer) -> None:
    assert (await execute(server.dsn(), "SHOW server_version")).startswith("18.")


async def test_letters_beyond_ascii_are_known_as_letters(server: PostgresServer) -> None:
    assert await execute(server.dsn(), "SELECT upper('é沪')") == "É沪"


async def test_nobody_comes_in_without_the_password(server: PostgresServer) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.dsn(password="guessed"))
    kept = server.directory / "secrets" / "postgres"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


async def test_each_role_has_its_own_database_and_no_other(server: PostgresServer) -> None:
    roles = [*map(databases.name_of, SERVICES), databases.READER]
    for _ in range(2):  # a second time changes nothing
        await databases.provision(server.dsn(), {role: f"pw-{role}" for role in roles})

    def dsn(role: str, database: str) -> str:
        return server.dsn(database, role, f"pw-{role}")

    loans = "huchuang_loans"
    await execute(dsn(loans, loans), "CREATE TABLE entries AS SELECT 7 AS id")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(dsn("huchuang_registry", loans), "SELECT 1")
    assert await execute(dsn(databases.READER, loans), "SELECT id FROM entries") == "7"
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await execute(dsn(databases.READER, loans), "DELETE FROM entries")
    await databases.provision(server.dsn(), {role: f"pw-{role}" for role in roles}, fresh=True)
    with pytest.raises(asyncpg.UndefinedTableError):
        await execute(dsn(loans, loans), "SELECT id FROM entries")


async def test_what_was_committed_survives_a_kill_at_any_time(tmp_path: Path) -> None:
    async with running_postgres(tmp_path) as server:
        await execute(server.dsn(), "CREATE TABLE kept AS SELECT 42 AS answer")
        postmaster_of(server).kill()
    async with running_postgres(tmp_path) as server:
        assert await execute(server.dsn(), "SELECT answer FROM kept") == "42"


async def test_a_server_that_was_left_behind_gives_way(tmp_path: Path) -> None:
    async with running_postgres(tmp_path) as first:
        left = postmaster_of(first)
        async with running_postgres(tmp_path) as second:
            assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE
            assert await execute(second.dsn(), "SELECT 1") == "1"


async def test_a_lock_file_whose_number_went_to_another_program_is_no_obstacle(tmp_path: Path) -> None:
    async with running_postgres(tmp_path):
        pass
    lock = tmp_path / "postgres" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{tmp_path / 'postgres'}\n")
    async with running_postgres(tmp_path) as server:
        assert await execute(server.dsn(), "SELECT 1") == "1"


async def test_a_child_does_not_outlive_its_parent(tmp_path: Path) -> None:
    cluster = await postgres.prepare(tmp_path)
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _STARTS.format(log=tmp_path / "log", account=cluster.account)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdout is not None
    sleeper = psutil.Process(int(await parent.stdout.readline()))
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    await asyncio.to_thread(sleeper.wait, 60)


_STARTS = """
import asyncio, pathlib
from deploy.local.processes import Account, Program, start
async def main():
    program = Program("sleep", ("/bin/sleep", "600"), pathlib.Path("{log}"), account={account})
    process = await start(program)
    print(process.pid, flush=True)
    await process.wait()
asyncio.run(main())
"""


@root_only
async def test_root_may_keep_data_where_only_root_may_go(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    async with running_postgres(closed / "stack") as server:
        assert await execute(server.dsn(), "SELECT 1") == "1"
        assert postmaster_of(server).uids().effective != 0


@root_only
def test_programs_that_the_account_may_not_reach_are_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = Account("stranger", 54321, 54321)
    hidden, cache = tmp_path / "hidden", tmp_path / "cache"
    (hidden / "tool" / "bin").mkdir(parents=True)
    (hidden / "tool" / "bin" / "run").write_text("first")
    hidden.chmod(0o700)
    monkeypatch.setattr(accounts, "CACHES", (cache,))
    copy = accounts.trees_for(stranger, [hidden / "tool"], "tool-1")
    assert copy == cache / "tool-1"
    (hidden / "tool" / "bin" / "run").write_text("second")
    assert (accounts.trees_for(stranger, [hidden / "tool"], "tool-1") / "tool" / "bin" / "run").read_text() == "first"
    cache.chmod(0o777)
    with pytest.raises(accounts.NoAccount, match="can take a copy"):
        accounts.trees_for(stranger, [hidden / "tool"], "tool-1")
