"""Where a benchmark runs: a database server of its own, one service as one uvicorn process, and the bare peer."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import asyncpg
import httpx
import msgspec

from deploy.local import databases, settings
from deploy.local.bank_keys import BANKS, bank_key
from deploy.local.brokers.running import running_broker
from deploy.local.migrations import migrate
from deploy.local.plan import StackOptions, make_plan
from deploy.local.postgres import running_postgres
from deploy.local.tokens import SandboxIssuer
from services.loans.intake.partners import ApprovedKey, PartnerFact
from shared.web.signing.keys import public_jwk

PATIENCE = 60.0


class Scene(NamedTuple):
    """`database` is the service's own; `bare` is the peer's address; `tokens` are the sandbox's."""

    settings: settings.StackSettings
    service: str
    url: str
    bare: str
    database: str
    tokens: dict[str, str]


@asynccontextmanager
async def scene(
    directory: Path,
    service: str,
    beside: str = "tests.bench.bare:app",
    application: str | None = None,
    role: str = "api",
    *,
    registry: bool = False,
) -> AsyncIterator[Scene]:
    """Everything up and ready, the service and the application `beside` it.

    The service runs the role `api`, so that its edge and its store are what is measured, unless another `role` is
    asked for; `application` takes its place. `registry`: somebody answers in its place (`tests.bench.registry`).
    """
    directory.mkdir(parents=True, exist_ok=True)
    async with running_postgres(directory / "server") as server, running_broker(directory / "broker") as kafka:
        issuer = SandboxIssuer(directory / "keys")
        plan = make_plan(directory, StackOptions(postgres=server.dsn(), broker=kafka), issuer)
        settings.write(plan.settings, directory / settings.FILE)
        await databases.provision(server.dsn(), plan.passwords)
        dsn = plan.settings.databases[service]
        await asyncio.to_thread(migrate, service, dsn)
        if service == "loans":
            await _approved_banks(directory / "keys", dsn)
        await _bare_tables(dsn)
        host, port = plan.settings.address(service)
        bare = f"http://127.0.0.1:{port + 50}"
        serve = [sys.executable, "-m", "deploy.local.cli", "serve", service, "--role", role]
        if application is not None:
            serve = uvicorn(application, port)
        environment = {**os.environ, settings.DIRECTORY_VARIABLE: str(directory), "BARE_DSN": dsn}
        with (directory / "bench.log").open("wb") as log:
            programs = [serve, uvicorn(beside, port + 50)]
            ready = [f"http://{host}:{port}/readyz", f"{bare}/docs"]
            if registry:
                programs.append(uvicorn("tests.bench.registry:app", plan.settings.address("registry")[1]))
                ready.append(f"{plan.settings.services['registry']}/docs")
            processes = [subprocess.Popen(one, env=environment, stdout=log, stderr=log) for one in programs]
            try:
                await asyncio.gather(*map(until_ready, ready))
                url = plan.settings.services[service]
                yield Scene(plan.settings, service, url, bare, dsn, issuer.tokens())
            finally:
                for process in processes:
                    process.terminate()
                for process in processes:
                    process.wait()


def uvicorn(application: str, port: int) -> list[str]:
    """The command that serves an application as services are served."""
    quiet = ["--no-access-log", "--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]
    return [sys.executable, "-m", "uvicorn", application, "--port", str(port), *quiet]


async def _approved_banks(keys: Path, loans: str) -> None:
    """What loans would keep of registry's events: no registry runs here."""
    connection = await asyncpg.connect(loans)
    for client in BANKS:
        key = bank_key(keys, client).public
        fact = encoded(PartnerFact(client, (ApprovedKey(key.kid, public_jwk(key)),)))
        await connection.execute(
            "insert into fact (kind, key, value, log_id, position) values ($1, $2, $3, gen_random_uuid(), 0)",
            *(PartnerFact.__name__, client, fact),
        )
    await connection.close()


async def _bare_tables(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "create table bare_item (id text primary key, person text, certificate text, body text);"
        "create table bare_row (key text primary key, value text)"
    )
    await connection.close()


async def until_ready(url: str) -> None:
    """Raises TimeoutError."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    async with httpx.AsyncClient(trust_env=False) as http:
        while True:
            try:
                if (await http.get(url)).is_success:
                    return
            except httpx.TransportError:
                pass
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(url)
            await asyncio.sleep(0.1)


def encoded(value: object) -> bytes:
    return msgspec.json.encode(value)
