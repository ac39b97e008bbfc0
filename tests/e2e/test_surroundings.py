"""What surrounds the services: where they listen, and the traces that they leave."""

import asyncio
import json
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.local import state
from deploy.local.client import Client
from tests.e2e.caller import Caller
from tests.e2e.stories import claim_body, trained

pytestmark = pytest.mark.stack

PATIENCE = 20.0


def listens(process: psutil.Process) -> set[str]:
    """The addresses at which a process listens; one that has ended meanwhile, as PostgreSQL's workers do, at none."""
    try:
        connections = process.net_connections("inet")
    except psutil.NoSuchProcess:
        return set()
    return {connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN}


def test_everything_listens_on_loopback_only(directory: Path) -> None:
    running = state.running(directory)
    assert running is not None
    listening: dict[str, set[str]] = {}
    for name, part in running.parts.items():
        process = psutil.Process(part.pid)
        for each in (process, *process.children(recursive=True)):
            listening.setdefault(name, set()).update(listens(each))
    assert all(listening.values())
    assert {address for addresses in listening.values() for address in addresses} <= {"127.0.0.1", "::1"}


def spans(directory: Path, trace: str) -> dict[str, list[dict[str, Any]]]:
    """The spans of a trace, by the service that left them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in (directory / "traces").glob("*.jsonl"):
        for line in path.read_text().splitlines():
            if trace in line:
                found.setdefault(path.stem, []).append(json.loads(line))
    return found


async def test_a_sampled_request_can_be_followed_into_other_services(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    (person,) = await trained(client, directory, now, 1, 1)
    (project,) = person.certificates
    trace, parent = secrets.token_hex(16), secrets.token_hex(8)
    made = await call.post(
        "app", "subsidy", "/v1/claims", claim_body(person, project), traceparent=f"00-{trace}-{parent}-01"
    )
    assert made.status_code == 201
    async with asyncio.timeout(PATIENCE):
        while not {"subsidy", "audit", "notify"} <= set(found := spans(directory, trace)):
            await asyncio.sleep(0.2)
    request = next(span for span in found["subsidy"] if span["name"] == "POST /v1/claims")
    assert (request["trace_id"], request["parent"]) == (trace, parent)
    link = f"{trace}-{request['span_id']}"
    publish = next(span for span in found["subsidy"] if span["name"] == "huchuang.subsidy.events publish")
    consumed = [span for name in ("audit", "notify") for span in found[name] if span["name"] == "inbox process"]
    assert link in publish["links"]
    assert any(link in span["links"] for span in consumed)


async def test_a_request_that_is_not_sampled_leaves_nothing(call: Caller, directory: Path) -> None:
    trace = secrets.token_hex(16)
    await call.post(
        "bank:demo-a",
        "loans",
        "/v1/whitelist/check",
        {},
        traceparent=f"00-{trace}-{secrets.token_hex(8)}-00",
    )
    await asyncio.sleep(6)  # spans are written every five seconds
    assert spans(directory, trace) == {}
