"""A service's process: when it is ready, and when it ends."""

import asyncio
import signal
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import msgspec
import pytest

from shared.runtime.definition import ServiceDefinition
from shared.runtime.parts import Parts
from shared.runtime.settings import Settings

NOBODY = "127.0.0.1:1"
DEFINITION = ServiceDefinition(name="training", title="试验", aggregates=(), routers=())


@pytest.fixture
def parts() -> Parts:
    return Parts(DEFINITION, cast(Settings, SimpleNamespace(kafka=NOBODY)))


async def test_a_service_whose_broker_is_away_goes_on_answering_and_says_so(parts: Parts, pool: asyncpg.Pool) -> None:
    parts.pool = pool
    status, body = await parts.ready()
    said = msgspec.json.decode(body)
    assert (status, said["status"], said["checks"]["database"]) == (200, "ready", "ok")
    assert said["checks"]["broker"] != "ok"


async def returns() -> None:
    return


async def fails() -> None:
    raise ZeroDivisionError


async def is_cancelled() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("work", [returns, fails, is_cancelled])
async def test_a_worker_that_ends_ends_the_process(parts: Parts, work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr("os.kill", lambda _, number: sent.append(number))
    parts._spawn("worker", work())
    await asyncio.sleep(0.01)
    assert sent == [signal.SIGTERM]
    parts._stopping = True
    parts._spawn("worker", work())
    await asyncio.sleep(0.01)
    assert sent == [signal.SIGTERM]
