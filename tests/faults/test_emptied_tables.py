"""What a service made of others' events is lost: it is made again from Kafka, and nobody is told anything twice."""

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import pytest

from deploy.local import settings
from deploy.local.client import Client
from deploy.local.clock import progress_of, settle
from tests.e2e.stories import broken, run_demo
from tests.faults.conftest import WarmStack
from tests.faults.fire import Target
from tests.faults.report import Result, keep

pytestmark = [pytest.mark.stack, pytest.mark.full]

FOUNDERS = 12
NOTED = ("applied", "applied_above", "consumer_offset", "checkpoint")
"""How far everything has been read: without these, all of it is read again."""
EMPTIED = {
    "notify": (*NOTED, "fact", "reaction", "listing", "idempotency", "lease", "webhook_owed", "webhook_target"),
    "audit": (*NOTED, "archive", "mention", "claim_view", "seen_head", "lease"),
}
"""All that follows from events, a service's own and those of others."""


async def empty(directory: Path, service: str, tables: Sequence[str]) -> None:
    """Empty the tables under the running service, then kill it."""
    connection = await asyncpg.connect(settings.read(directory).databases[service])
    await connection.execute(f"truncate {', '.join(tables)}")
    await connection.close()
    Target(directory, service).send(signal.SIGKILL)


async def heads_of(client: Client) -> dict[str, int]:
    """How many events each service has."""
    return {name: item["head"] for name, item in (await progress_of(client)).items()}


async def shown(client: Client) -> list[object]:
    """All messages, and the history of every claim as the archive tells it."""
    claims = await client.all("auditor", "subsidy", "/v1/claims")
    paths = [f"/v1/claims/{claim['id']}/history" for claim in claims]
    histories = [(await client.get("auditor", "audit", path)).body for path in paths]
    return [*await client.all("auditor", "notify", "/v1/messages"), *histories]


@pytest.mark.parametrize("service", sorted(EMPTIED))
async def test_emptied_tables_fill_again_and_nothing_is_sent_twice(
    service: str, warm_stack: WarmStack, seed: str
) -> None:
    directory, endpoints = warm_stack()
    await run_demo(endpoints, directory, FOUNDERS)
    async with Client(endpoints, f"emptied/{service}") as client:
        before, heads = await shown(client), await heads_of(client)
        await empty(directory, service, EMPTIED[service])
        await asyncio.sleep(1)
        await settle(client)
        assert await heads_of(client) == heads
        assert await shown(client) == before
        assert await broken(client, directory) == []
    outcome = "filled again from Kafka and its own log; no event was added, so nothing was sent again"
    keep(Result("tables emptied", service, 1, outcome, seed))
