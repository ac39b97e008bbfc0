"""What a service could not handle is shown, tried again in order, or dropped with a reason, by command."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from deploy.local import settings
from deploy.local.client import Client
from deploy.local.demo.run import Outcome
from deploy.local.histories import read_stores
from shared.eventstore.record import canonical
from tests.e2e.caller import Caller, Minter
from tests.e2e.test_history import run

pytestmark = pytest.mark.stack

UNREADABLE = b'{"name": "\xff'


async def put_aside(directory: Path, records: list[tuple[UUID | None, int, bytes, str]]) -> list[int]:
    """Messages parked in subsidy's inbox under one stream, as its consumer would have parked them."""
    connection = await asyncpg.connect(settings.read(directory).databases["subsidy"])
    try:
        return [
            await connection.fetchval(
                "insert into parked (consumer, source, stream, log_id, position, record, reason)"
                " values ('intake', 'registry', $1, $2, $3, $4, $5) returning id",
                *("per_parked", log_id, position, record, reason),
            )
            for log_id, position, record, reason in records
        ]
    finally:
        await connection.close()


async def a_record(client: Client) -> bytes:
    """An event that subsidy has heard of before: heard again, it changes nothing."""
    return canonical(next(item.record for item in await read_stores(client) if item.service == "registry"))


async def test_what_is_parked_is_shown_tried_again_and_dropped(
    demonstrated: Outcome, client: Client, call: Caller, mint: Minter, directory: Path
) -> None:
    registered = await a_record(client)
    log = uuid4()
    one, behind, nothing = await put_aside(
        directory,
        [(log, 1, registered, "一时无法办理"), (log, 2, registered, "排在后面"), (None, 3, UNREADABLE, "无法读取")],
    )
    data = ("--data", str(directory))
    listed = await run("parked", "list", *data)
    assert listed.returncode == 0, listed.stderr
    shown: dict[str, Any] = json.loads((await run("parked", "show", "subsidy", str(behind), *data)).stdout)
    assert (shown["behind"], shown["type"], shown["record"]["type"]) == (1, shown["record"]["type"], shown["type"])
    unread = (await call.get("auditor", "subsidy", f"/v1/parked/{nothing}")).json()
    assert (unread["type"], unread["record"], unread["size"]) == (None, None, len(UNREADABLE))
    assert (unread["position"], unread["retriable"]) == (3, False)

    path = f"/v1/parked/{nothing}"
    for role in ("auditor", "city", "app"):
        assert (await call.post(role, "subsidy", f"{path}:retry")).status_code == 403
    refused = await call.post("ops", "subsidy", f"{path}:retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_retriable")
    system = mint("ops", kind="system")
    alone = await call.post(system, "subsidy", f"{path}:drop", {"reason": "来源不明"})
    assert (alone.status_code, alone.json()["code"]) == (403, "person_required")

    retried = await run("parked", "retry", "subsidy", str(behind), *data)
    assert (retried.returncode, retried.stdout.split(":")[0].strip()) == (1, "2 tried again, 1 left")
    dropped = await run("parked", "drop", "subsidy", str(nothing), "--reason", "来源不明的内容", *data)
    assert dropped.returncode == 0, dropped.stderr
    gone = await run("parked", "show", "subsidy", str(one), *data)
    assert (gone.returncode, gone.stderr.strip()) == (1, "huchuang: 没有找到这条搁置的消息")
    progress = (await call.get("ops", "subsidy", "/v1/progress")).json()
    assert progress["parked"] == 0
