"""What `/readyz` and `/metrics` say of what a process has in memory."""

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
    monkeypatch.setattr(Parts, "waiting", {"registry": Waiting(3, 61.5), "training": Waiting(0, 0.0)})
    transport = httpx.ASGITransport(application("subsidy"))
    async with httpx.AsyncClient(transport=transport, base_url="http://subsidy") as client:
        said = (await client.get("/metrics")).text.splitlines()
    assert 'huchuang_intake_waiting{source="registry"} 3.0' in said
    assert 'huchuang_intake_waiting_seconds{source="registry"} 61.5' in said
    assert 'huchuang_intake_waiting{source="training"} 0.0' in said
    assert 'huchuang_follower_lag{follower="relay"} 2.0' in said


@pytest.mark.parametrize("refused", [{"training", "registry"}, set()])
async def test_readiness_says_what_helps_against_an_unknown_log(refused: set[str]) -> None:
    """`huchuang reconcile` alone does nothing for a log that did not come out of a backup."""

    async def answered(*_: object) -> str:
        return "1"

    parts = Parts(definitions()["subsidy"], cast(Settings, SimpleNamespace(kafka="127.0.0.1:1")))
    parts.pool = SimpleNamespace(fetchval=answered)
    parts._broker.cluster = answered  # type: ignore[method-assign]
    parts._consumer = cast(Consumer, SimpleNamespace(refused=refused))
    status, body = await parts.ready()
    said = msgspec.json.decode(body)["checks"].get("consumer", "ok")
    if refused:
        assert status == 503
        assert said.startswith("unknown log of registry, training: ")
        assert "huchuang restore --other-log, then huchuang reconcile" in said
    else:
        assert (status, said) == (200, "ok")
