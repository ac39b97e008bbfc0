"""What `/readyz` and `/metrics` say of what a process has in memory."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import httpx
import msgspec
import pytest

from shared.messaging.consumer import Consumer, Waiting
from shared.runtime.parts import Parts
from shared.runtime.settings import Settings
from tests.contract.events.tree import definitions
from tests.contract.routes.documents import application


async def test_the_metrics_say_which_sources_wait_for_an_event_and_since_when(monkeypatch: pytest.MonkeyPatch) -> None:
    async def progress(parts: Parts) -> dict[str, Any]:
        return {"head": 9, "parked": 0, "followers": {"relay": 7}}

    monkeypatch.setattr(Parts, "progress", progress)
    monkeypatch.setattr(Parts, "waiting", {"registry": Waiting(3, 61.5), "training": Waiting(0, 0.0, refused=True)})
    transport = httpx.ASGITransport(application("subsidy"))
    async with httpx.AsyncClient(transport=transport, base_url="http://subsidy") as client:
        said = (await client.get("/metrics")).text.splitlines()
    assert 'huchuang_intake_waiting{source="registry"} 3.0' in said
    assert 'huchuang_intake_waiting_seconds{source="registry"} 61.5' in said
    assert 'huchuang_intake_waiting{source="training"} 0.0' in said
    assert 'huchuang_intake_refused{source="training"} 1.0' in said
    assert 'huchuang_intake_refused{source="registry"} 0.0' in said
    assert 'huchuang_follower_lag{follower="relay"} 2.0' in said


@pytest.fixture
def parts() -> Parts:
    """Those of a process whose database answers."""

    async def answered(*_: object) -> str:
        return "1"

    made = Parts(definitions()["subsidy"], cast(Settings, SimpleNamespace(kafka="127.0.0.1:1")))
    made.pool = SimpleNamespace(fetchval=answered)
    made._broker.cluster = answered  # type: ignore[method-assign]
    return made


@pytest.mark.parametrize(
    ("refused", "changed", "expected"),
    [(set(), set(), 200), ({"training", "registry"}, set(), 200), ({"training", "registry"}, {"training"}, 503)],
)
async def test_readiness_says_what_helps_against_an_unknown_log(
    parts: Parts, refused: set[str], changed: set[str], expected: int
) -> None:
    """`huchuang reconcile` alone does nothing for a log that did not come out of a backup."""
    parts._consumer = cast(Consumer, SimpleNamespace(refused=refused, changed=changed))
    status, body = await parts.ready()
    assert status == expected
    said = msgspec.json.decode(body)["checks"].get("sources")
    if refused:
        assert said.startswith("unknown log of registry, training: ")
        assert "huchuang restore --other-log, then huchuang reconcile" in said
    else:
        assert said is None


async def test_a_broker_that_says_nothing_is_told_and_decides_nothing(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is the question taken back: who is asked next after a node that is frozen answers it."""
    found = asyncio.Event()

    async def silent() -> str:
        await found.wait()
        return "cluster"

    monkeypatch.setattr("shared.runtime.parts.BROKER_SECONDS", 0.05)
    parts._broker.cluster = silent  # type: ignore[method-assign]
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*(parts.ready() for _ in range(3)))
        assert [status for status, _ in answers] == [200, 200, 200]
        assert {msgspec.json.decode(body)["checks"]["broker"] for _, body in answers} == {"no answer yet"}
        found.set()
        assert msgspec.json.decode((await parts.ready())[1])["checks"]["broker"] == "ok"
