"""Where events are carried from service to service: a database server, an Apache Kafka, and what stands in both."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from deploy.local import databases, settings
from deploy.local.brokers.running import running
from deploy.local.migrations import migrate
from deploy.local.plan import StackOptions, make_plan
from deploy.local.postgres import running_postgres
from deploy.local.tokens import SandboxIssuer
from shared.eventstore.reader import LogReader
from shared.eventstore.sequencer import Sequencer
from shared.messaging.relay import Relay
from shared.runtime.parts import open_pool
from tests.bench.pasts import put_events
from tests.bench.scene import until_ready, uvicorn

BROKER = "apache"


class Carrying(NamedTuple):
    """`tokens` are the sandbox's; the databases of the services that were asked for are there, and empty."""

    directory: Path
    settings: settings.StackSettings
    tokens: dict[str, str]


@asynccontextmanager
async def carrying(directory: Path, *services: str) -> AsyncIterator[Carrying]:
    """Both up, in fresh directories and on loopback; no service runs yet."""
    directory.mkdir(parents=True, exist_ok=True)
    async with running_postgres(directory / "server") as server, running(directory / "broker", BROKER) as broker:
        issuer = SandboxIssuer(directory / "keys")
        plan = make_plan(directory, StackOptions(postgres=server.dsn(), broker=broker.bootstrap), issuer)
        settings.write(plan.settings, directory / settings.FILE)
        await databases.provision(server.dsn(), plan.passwords)
        for service in services:
            await asyncio.to_thread(migrate, service, plan.settings.databases[service])
        yield Carrying(directory, plan.settings, issuer.tokens())


@asynccontextmanager
async def serving(place: Carrying, service: str, *, producing: bool = False) -> AsyncIterator[None]:
    """A service as a process of its own, ready; `producing`: with the route that makes it append (`producing.py`)."""
    serve = [sys.executable, "-m", "deploy.local.cli", "serve", service]
    if producing:
        serve = uvicorn("tests.bench.producing:app", place.settings.address(service)[1])
    environment = {**os.environ, settings.DIRECTORY_VARIABLE: str(place.directory), "BENCH_SERVICE": service}
    with (place.directory / f"{service}.log").open("wb") as log:
        process = subprocess.Popen(serve, env=environment, stdout=log, stderr=log)
        try:
            await until_ready(f"{place.settings.services[service]}/readyz")
            yield
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait)


async def publish(place: Carrying, service: str, events: Sequence[tuple[Any, ...]]) -> None:
    """Put rows of `event` into a service's store, and on to Kafka by the sequencer and the relay that services run."""
    dsn = place.settings.databases[service]
    connection = await asyncpg.connect(dsn)
    await put_events(connection, events)
    waiting = [(row[0], row[1]) for row in events]
    await connection.copy_records_to_table("unsequenced", records=waiting, columns=["stream", "version"])
    await connection.close()
    async with await open_pool(dsn) as pool:
        reader = LogReader(pool)
        await reader.start()
        sequencer = Sequencer(pool, asyncio.Event(), reader.advance)
        while await sequencer.step():
            pass
        relay = Relay(pool, reader, service, place.settings.kafka)
        while await relay.step():
            pass
        await relay.close()
