"""The one-shot jobs of deployments that have no supervisor, on a real server."""

import asyncio
import os
import subprocess
from pathlib import Path

import asyncpg
import pytest

from deploy.local import databases, postgres
from deploy.local.postgres import running_postgres
from deploy.local.settings import SERVICES

INIT = Path(__file__).resolve().parents[3] / "deploy" / "docker" / "postgres-init.sh"


async def test_the_image_of_postgres_is_set_up_as_the_local_one_is(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in ("reader", *SERVICES):
        (secrets / f"{name}_password").write_text(f"it's {name}")
    async with running_postgres(tmp_path / "server") as server:
        variables = {
            "PATH": f"{postgres.binaries()}{os.pathsep}{os.environ['PATH']}",
            "POSTGRES_USER": postgres.SUPERUSER,
            "PGHOST": server.host,
            "PGPORT": str(server.port),
            "PGPASSWORD": server.password,
            "SECRETS_DIRECTORY": str(secrets),
        }
        await asyncio.to_thread(subprocess.run, [INIT], env=variables, check=True)
        for service in SERVICES:
            own = databases.name_of(service)
            connection = await asyncpg.connect(server.dsn(own, own, f"it's {service}"))
            assert await connection.fetchval("SELECT upper('é') || current_user") == f"É{own}"
            await connection.close()
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(server.dsn("huchuang_loans", "huchuang_audit", "it's audit"))
        reader = await asyncpg.connect(server.dsn("huchuang_loans", databases.READER, "it's reader"))
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await reader.execute("CREATE TABLE t ()")
        await reader.close()
