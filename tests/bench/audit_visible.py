"""`audit_visible_p99_ms`: from a claim's acceptance to its history in audit's API, at 500 events a second.

Subsidy takes in claims of two events each, audit archives them: two service processes over Apache Kafka. The clock
starts before the append's commit, with the time that subsidy's database writes into the events, and stops when
`GET /v1/claims/{id}/history` has answered with both. That is asked for some of the claims only, each again and again
from the moment when it was accepted, so that these figures are too large by up to one question; `audit_archived_…` is
of all events, by SQL in audit's database (`cross_service` says how). Audit's work for the questions is part of both.
"""

import asyncio
import time
from datetime import datetime
from pathlib import Path

import httpx
import msgspec

from services.subsidy.wiring import DEFINITION
from shared.eventstore.store import Store
from shared.runtime.parts import open_pool
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from tests.bench.carrying import Carrying
from tests.bench.cross_service import EVENTS_PER_S, SECONDS, WARM_UP_SECONDS, Watch, carried, loaded, percentile
from tests.bench.kernel import on_uvloop, put_policy_in_force
from tests.bench.rounds import median

EVENTS_PER_CLAIM = 2
ASKED = 20
"""The history of one claim in so many is asked for."""
AGAIN_SECONDS = 0.01
PATIENCE = 20.0


def measure(directory: Path, rounds: int) -> dict[str, float]:
    return on_uvloop(_measure(directory, rounds))


async def _measure(directory: Path, rounds: int) -> dict[str, float]:
    found = []
    async with carried(directory, "subsidy", "audit") as (place, watch):
        await _put_policy_in_force(place)
        for number in range(rounds + 1):
            found.append(await _round(place, watch, SECONDS if number else WARM_UP_SECONDS))
    visible, archived = zip(*found[1:], strict=True)
    return {
        "audit_visible_p99_ms": median([percentile(ms, 99) for ms in visible], 2),
        "audit_visible_p50_ms": median([percentile(ms, 50) for ms in visible], 2),
        "audit_archived_p99_ms": median([percentile(ms, 99) for ms in archived], 2),
        "audit_archived_p50_ms": median([percentile(ms, 50) for ms in archived], 2),
    }


async def _put_policy_in_force(place: Carrying) -> None:
    async with await open_pool(place.settings.databases["subsidy"]) as pool:
        keyring = Keyring(FileMasterKey(place.settings.secret("subsidy", "master.key")))
        await put_policy_in_force(Store(pool, DEFINITION.aggregates, keyring))


async def _round(place: Carrying, watch: Watch, seconds: int) -> tuple[list[float], list[float]]:
    """How long claims took until the API showed them, and events until the archive held them, ms, ascending."""
    headers = {"authorization": f"Bearer {place.tokens['auditor']}"}
    asking: list[asyncio.Task[float]] = []
    async with httpx.AsyncClient(base_url=place.settings.services["audit"], headers=headers, trust_env=False) as http:
        before = watch.seen[-1] if watch.seen else 0
        number = 0
        async with loaded(place, "subsidy", EVENTS_PER_S, seconds) as lines:
            async for claim in lines:
                if number % ASKED == 0:
                    asking.append(asyncio.create_task(_shown(http, claim)))
                number += 1
        visible = sorted(await asyncio.gather(*asking))
    await watch.until(before + number * EVENTS_PER_CLAIM)
    return visible, await watch.latencies(place.settings.databases["subsidy"], before)


class _Recorded(msgspec.Struct):
    recorded_at: datetime


class _Item(msgspec.Struct):
    record: _Recorded


class _History(msgspec.Struct):
    items: list[_Item]


async def _shown(http: httpx.AsyncClient, claim: str) -> float:
    """Ask for a claim's history until it shows every event: how long after they were recorded that was, ms."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await http.get(f"/v1/claims/{claim}/history")
            at = time.time()
            if answer.is_success:
                items = msgspec.json.decode(answer.content, type=_History).items
                if len(items) == EVENTS_PER_CLAIM:
                    return (at - max(item.record.recorded_at for item in items).timestamp()) * 1000
            elif answer.status_code != 404:
                answer.raise_for_status()
            await asyncio.sleep(AGAIN_SECONDS)
