"""What `/metrics` says, without a database: as much as a process has in memory."""

from typing import Any

import httpx
import pytest

from shared.messaging.consumer import Waiting
from shared.runtime.parts import Parts
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
