"""Run a service: one uvicorn process with its workers inside, or apart by role."""

import gc
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import uvicorn
from fastapi import FastAPI

from shared.runtime.definition import ServiceDefinition
from shared.runtime.documents import add_documents
from shared.runtime.log_routes import log_routes
from shared.runtime.long_work_routes import long_work
from shared.runtime.operations import operations, sandbox
from shared.runtime.parked_routes import parked
from shared.runtime.parts import Parts
from shared.runtime.projection_routes import projections
from shared.runtime.settings import Settings
from shared.runtime.signing_routes import is_signed, signing_keys
from shared.telemetry.logs import configure_logs
from shared.telemetry.metrics import Metrics
from shared.telemetry.traces import configure_traces
from shared.testing.fault_points import DIRECTORY, arm_from_environment, arm_left_in
from shared.web.app import add_operations, create_app
from shared.web.caller import Verifier
from shared.web.issuers import Issuer

Role = Literal["api", "worker", "all"]
TRACE_RATIO = "HUCHUANG_TRACE_RATIO"


def build(definition: ServiceDefinition, settings: Settings, role: str) -> FastAPI:
    """The application of one service process; its lifespan opens and closes everything."""
    parts = Parts(definition, settings)
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await parts.start()
        app.state.parts = parts
        app.state.store = parts.store
        app.state.reader = parts.reader
        app.state.peers = parts.peers
        app.state.settings = settings
        app.state.signing = parts.signing
        app.state.verifier = Verifier(map(Issuer, settings.issuers))
        parts.run(role)
        spare_the_collector()
        try:
            yield
        finally:
            await parts.stop()

    routers = [*(definition.routers if role != "worker" else ())]
    routers += [operations(parts), log_routes(parts), projections(parts), long_work(parts), parked(parts)]
    if definition.signing is not None:
        routers.append(signing_keys(parts))
    elif any(is_signed(route) for router in routers for route in router.routes):
        raise TypeError(f"{definition.name} has signed routes and no `signing` to verify them with")
    if settings.profile == "local":
        routers.append(sandbox(parts))

    async def refresh() -> None:
        progress = await parts.progress()
        metrics.log_position.set(progress["head"])
        metrics.relayed.set(progress["followers"]["relay"])
        metrics.parked.set(progress["parked"])
        for follower, position in progress["followers"].items():
            metrics.lag.labels(follower).set(progress["head"] - position)
        for source, (records, seconds, refused) in parts.waiting.items():
            metrics.waiting.labels(source).set(records)
            metrics.waiting_seconds.labels(source).set(seconds)
            metrics.refused.labels(source).set(refused)

    app = create_app(definition.name, definition.title, routers, lifespan, metrics, lambda: parts.restored)
    add_operations(app, parts.ready, refresh)
    add_documents(app)
    return app


def spare_the_collector() -> None:
    """Keep what the start made out of the garbage collector, and let it look less often: requests make little of it.

    Python's thresholds are for small programs; with these a claim takes 375 µs of CPU instead of 480.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def obey_the_harness(file: Path) -> None:
    """Arm the fault points that a harness has left for this service, now and whenever SIGUSR1 says there is more."""
    arm_left_in(file)
    signal.signal(signal.SIGUSR1, lambda *_: arm_left_in(file))


def serve(definition: ServiceDefinition, settings: Settings, role: str) -> None:
    """Serve until SIGTERM or SIGINT. Errors at the start end the process with their trace in its log."""
    configure_logs(definition.name)
    if settings.profile == "local":
        arm_from_environment()
        obey_the_harness(Path(settings.directory) / DIRECTORY / definition.name)
    provider = configure_traces(
        definition.name,
        Path(settings.directory) / "traces" / f"{definition.name}.jsonl",
        float(os.environ.get(TRACE_RATIO, "0.02")),
    )
    host, port = settings.address(definition.name)
    app = build(definition, settings, role)
    try:
        uvicorn.run(
            app, host=host, port=port, loop="uvloop", http="httptools", log_config=None, access_log=False,
            server_header=False, timeout_graceful_shutdown=5, backlog=2048,
        )  # fmt: skip
    finally:
        provider.shutdown()
