"""An event that is left behind on the way to the log is found, whatever stream it is of."""

import asyncpg
import pytest

from deploy.local.verify.positions import check_positions
from shared.eventstore.store import Store
from tests.integration.eventstore.commands import move, open_account, stream_of


async def test_events_with_and_before_their_positions_are_no_finding(
    store: Store, pool: asyncpg.Pool, dsn: str
) -> None:
    await open_account(store, "a", "per_a")
    checked = await check_positions({"ledger": dsn})
    assert (checked.looked_at, checked.findings) == ("1 个事件", [])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("delete from unsequenced where version = 2", "第 2 个事件既没有位置，也不在等待位置"),
        (
            "insert into log (position, stream, version, leaf_hash)"
            " select 1, stream, version, '' from event where version = 1",
            "仍在等待位置",
        ),
        ("delete from unsequenced; delete from event where version = 2", "第 3 个事件是事件流的版本，与所存事件不符"),
        ("delete from event where version = 3", "第 3 个事件是事件流的版本，与所存事件不符"),
    ],
)
async def test_an_event_that_is_left_behind_doubled_or_gone_is_found(
    store: Store, pool: asyncpg.Pool, dsn: str, change: str, says: str
) -> None:
    stream = stream_of(await open_account(store, "a", "per_a"))
    for _ in range(2):
        await move(store, stream)
    await pool.execute(change)
    findings = (await check_positions({"ledger": dsn})).findings
    assert any(finding.startswith(f"ledger {stream} ") and finding.endswith(says) for finding in findings), findings
