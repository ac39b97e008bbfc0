"""The inbox: each position of each log takes effect once, in order within its stream, or is parked."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Sequence
from uuid import uuid4

import asyncpg
import pytest

from shared.messaging.inbox import CannotHandle, Inbox
from shared.messaging.topics import Delivered
from shared.runtime.parked import NotRetriable, ParkedMessages
from shared.telemetry.errors import describe
from shared.testing.fault_points import VARIABLE, FaultPoint
from tests.integration.messaging.conftest import CONSUMER, POISON, SOURCE, Diary, Told


async def test_what_is_repeated_and_republished_takes_effect_once(diary: Diary, told: Told) -> None:
    batch = [told(n) for n in range(1, 6)]
    await diary.inbox.take([*batch, *batch])
    await diary.inbox.take(batch[2:])
    await diary.inbox.take([*batch, told(6)])
    assert await diary.positions() == [1, 2, 3, 4, 5, 6]
    assert await diary.watermark() == 6


async def test_what_arrives_out_of_order_takes_effect_once_each(diary: Diary, told: Told, pool: asyncpg.Pool) -> None:
    """Streams are in order, logs are not: partitions arrive as they like."""
    chance = random.Random(7)
    sent = [told(n, f"acc_{n}") for n in range(1, 101)]
    chance.shuffle(sent)
    for start in range(0, 100, 7):
        await diary.inbox.take([*sent[start : start + 7], *chance.sample(sent[: start + 7], 3)])
    assert sorted(await diary.positions()) == list(range(1, 101))
    assert await diary.watermark() == 100
    assert await pool.fetchval("select count(*) from applied_above") == 0


async def test_two_processes_at_once_apply_a_batch_once(diary: Diary, told: Told, pool: asyncpg.Pool) -> None:
    batch = [told(n, f"acc_{n % 5}") for n in range(1, 51)]
    other = Diary(pool)
    await asyncio.gather(*(each.inbox.take(batch) for each in (diary, other) for _ in range(3)))
    assert sorted(await diary.positions()) == list(range(1, 51))


async def test_a_gap_holds_the_watermark_until_it_is_filled(diary: Diary, told: Told) -> None:
    await diary.inbox.take([told(1, "acc_a"), told(3, "acc_b"), told(4, "acc_c")])
    assert await diary.watermark() == 1
    await diary.inbox.take([told(3, "acc_b")])
    await diary.inbox.take([told(2, "acc_d")])
    assert await diary.watermark() == 4
    assert await diary.positions() == [1, 3, 4, 2]


async def test_a_failing_message_is_parked_and_its_stream_waits_behind_it(diary: Diary, told: Told) -> None:
    poison = told(2, "acc_a", payload=POISON)
    await diary.inbox.take([told(1, "acc_a"), poison, told(3, "acc_b"), told(4, "acc_a")])
    await diary.inbox.take([told(5, "acc_a"), told(6, "acc_b"), poison])
    assert await diary.positions("acc_a") == [1]
    assert await diary.positions("acc_b") == [3, 6]
    behind = "排在同一事件流已搁置的消息之后"
    assert await diary.parked() == [("acc_a", 2, "无法理解"), ("acc_a", 4, behind), ("acc_a", 5, behind)]
    assert await diary.watermark() == 6


async def test_a_dropped_message_no_longer_holds_its_stream(diary: Diary, told: Told, pool: asyncpg.Pool) -> None:
    await diary.inbox.take([told(1, "acc_a", payload=POISON)])
    await pool.execute("update parked set dropped_at = now(), dropped_by = 'test', dropped_reason = 'test'")
    await diary.inbox.take([told(2, "acc_a")])
    assert await diary.positions("acc_a") == [2]


async def test_a_retry_serves_a_stream_in_order_and_stops_where_it_fails_again(
    diary: Diary, told: Told, pool: asyncpg.Pool
) -> None:
    await diary.inbox.take([told(1, payload=POISON), told(2), told(3, payload=POISON), told(4), told(5, "acc_b")])
    failed = await diary.inbox.retry("acc_a")
    assert (failed.served, failed.left, failed.reason) == (0, 4, "无法理解")
    assert await pool.fetchval("select attempts from parked where position = 1") == 2
    assert await diary.positions("acc_a") == []

    diary.understands = {1}
    assert (await diary.inbox.retry("acc_a")).served == 2
    assert await diary.positions("acc_a") == [1, 2]
    await diary.inbox.take([told(6)])
    diary.understands = {1, 3}
    done = await diary.inbox.retry("acc_a")
    assert (done.served, done.left, done.reason) == (3, 0, None)
    assert await diary.positions("acc_a") == [1, 2, 3, 4, 6]
    await diary.inbox.take([told(1), told(3), told(7)])
    assert await diary.positions("acc_a") == [1, 2, 3, 4, 6, 7]
    assert await diary.inbox.retry("acc_a") == (0, 0, None)


async def test_nothing_overtakes_a_retry_and_nothing_parks_behind_one_that_has_ended(
    diary: Diary, told: Told, pool: asyncpg.Pool
) -> None:
    """What comes while a stream is retried is served behind it or parked before its end, whatever the moment."""
    chance = random.Random(11)
    for round in range(20):
        stream, first = f"acc_{round}", 100 * round
        diary.understands = set()
        await diary.inbox.take([told(first + 1, stream, payload=POISON), told(first + 2, stream)])
        diary.understands = {first + 1}

        async def comes(stream: str = stream, first: int = first) -> None:
            for n in range(3, 9):
                await asyncio.sleep(chance.random() * 0.004)
                await diary.inbox.take([told(first + n, stream)])

        await asyncio.gather(comes(), diary.inbox.retry(stream))
        assert await pool.fetchval("select count(*) from parked where stream = $1", stream) == 0
        assert await diary.positions(stream) == [first + n for n in range(1, 9)]


@pytest.mark.parametrize("on", [1, 2, 4])
async def test_who_goes_on_for_a_killed_retry_serves_each_message_once_in_order(
    diary: Diary, told: Told, pool: asyncpg.Pool, dsn: str, on: int
) -> None:
    """It dies when the message has taken effect, before that is committed; what comes meanwhile waits behind it."""
    await diary.inbox.take([told(1, payload=POISON), told(2), told(3, payload=POISON), told(4), told(5, "acc_b")])
    command = (sys.executable, "-m", "tests.integration.messaging.retrier", dsn, "acc_a")
    for faults, code in ((f"{FaultPoint.RETRY_MADE}:kill:{on}", -signal.SIGKILL), ("", 0)):
        retrier = await asyncio.create_subprocess_exec(*command, env={**os.environ, VARIABLE: faults})
        async with asyncio.timeout(40):
            assert await retrier.wait() == code
        if code:
            assert await diary.positions("acc_a") == list(range(1, on))
            assert [position for _, position, _ in await diary.parked()] == list(range(on, 5))
            await diary.inbox.take([told(6)])
    assert await diary.positions("acc_a") == [1, 2, 3, 4, 6]
    assert await diary.parked() == []


async def test_what_is_no_message_cannot_be_retried_whatever_position_its_header_names(
    diary: Diary, pool: asyncpg.Pool
) -> None:
    await diary.inbox.park_unreadable(SOURCE, "acc_a", b"?", "没有位置或内容", 7)
    assert (await diary.inbox.retry("acc_a")).reason == "无法读取的消息不能重试，只能丢弃"
    messages = ParkedMessages(pool, diary.inbox, pool.fetchval)
    [message] = await messages.page(0, 10)
    assert (message.position, message.retriable) == (7, False)
    with pytest.raises(NotRetriable):
        await messages.retry(message)


async def test_the_unreadable_positions_are_those_that_are_not_applied_yet(diary: Diary, told: Told) -> None:
    await diary.inbox.take([told(1), told(2, payload=POISON)])
    for position in (1, 2, 3, 9, None):
        await diary.inbox.park_unreadable(SOURCE, "nobody", b"?", f"{position}", position)
    await diary.inbox.park_unreadable("other", "nobody", b"?", "other", 1)
    assert await diary.inbox.unreadable() == {(SOURCE, 3), (SOURCE, 9), ("other", 1)}


async def test_what_the_database_refuses_is_parked_and_leaves_no_half_effect(pool: asyncpg.Pool, told: Told) -> None:
    await pool.execute("create table page (stream text primary key)")

    async def write(connection: asyncpg.Connection, batch: Sequence[Delivered]) -> None:
        for item in batch:
            await connection.execute("insert into page values ($1)", item.record.stream)

    inbox = Inbox(pool, CONSUMER, write)
    await inbox.take([told(1, "acc_a"), told(2, "acc_b"), told(3, "acc_a")])
    assert {row["stream"] for row in await pool.fetch("select stream from page")} == {"acc_a", "acc_b"}
    (parked,) = await pool.fetch("select position, reason from parked")
    assert parked["position"] == 3
    assert "UniqueViolationError" in parked["reason"]


async def test_a_key_that_no_index_holds_is_parked_and_stops_nobody(pool: asyncpg.Pool, told: Told) -> None:
    await pool.execute("create table page (key text primary key)")

    async def write(connection: asyncpg.Connection, batch: Sequence[Delivered]) -> None:
        for item in batch:
            await connection.execute("insert into page values ($1)", bytes(item.record.payload).decode())

    inbox = Inbox(pool, CONSUMER, write)
    endless = f'"{random.Random(3).randbytes(6000).hex()}"'.encode()
    await inbox.take([told(1, "acc_a", payload=endless), told(2, "acc_b")])
    await inbox.take([told(3, "acc_a")])
    rows = await pool.fetch("select position, reason from parked order by id")
    assert [row["position"] for row in rows] == [1, 3]
    assert "ProgramLimitExceededError" in rows[0]["reason"]
    assert (await inbox.retry("acc_a")).left == 2
    assert await pool.fetchval("select key from page") == "{}"


async def test_a_second_log_of_a_source_is_refused(diary: Diary, told: Told, pool: asyncpg.Pool) -> None:
    """After a restore positions mean other events: nothing of the new log may take effect or count as taken."""
    await diary.inbox.take([told(1), told(2)])
    restored = uuid4()
    with pytest.raises(CannotHandle, match="reconcile"):
        await diary.inbox.take([told(2, log_id=restored), told(3, log_id=restored)])
    assert await diary.positions() == [1, 2]
    assert await diary.parked() == []
    assert await pool.fetchval("select count(*) from applied") == 1
    await diary.inbox.take([told(3)])
    assert await diary.positions() == [1, 2, 3]


async def test_an_unreadable_message_is_kept_with_its_bytes(diary: Diary, pool: asyncpg.Pool) -> None:
    await diary.inbox.park_unreadable(SOURCE, "acc_x", b"\x00\xff", "没有位置或内容")
    assert await diary.parked() == [("acc_x", None, "没有位置或内容")]
    assert await pool.fetchval("select record from parked") == b"\x00\xff"


async def test_offsets_are_hints_of_one_life_of_a_partition_and_never_go_back(diary: Diary) -> None:
    inbox = diary.inbox
    first = {("t", 0): "c/one", ("t", 1): "c/two"}
    assert await inbox.offsets(first) == {}
    await inbox.note_offsets(first, {("t", 0): 5, ("t", 1): 7})
    await inbox.note_offsets(first, {("t", 0): 3})
    assert await inbox.offsets(first) == {("t", 0): 5, ("t", 1): 7}
    emptied = {("t", 0): "c/three", ("t", 1): "c/two"}
    assert await inbox.offsets(emptied) == {("t", 1): 7}
    await inbox.note_offsets(emptied, {("t", 0): 1})
    assert await inbox.offsets(emptied) == {("t", 0): 1, ("t", 1): 7}
    assert await inbox.offsets(first) == {("t", 1): 7}


@pytest.mark.parametrize("error", [RecursionError("too deep"), asyncpg.RaiseError("no")], ids=describe)
async def test_what_can_never_be_taken_is_parked_and_its_retry_says_why(
    pool: asyncpg.Pool, told: Told, error: Exception
) -> None:
    async def effect(connection: asyncpg.Connection, batch: Sequence[Delivered]) -> None:
        if any(item.record.stream == "acc_a" for item in batch):
            raise error

    inbox = Inbox(pool, CONSUMER, effect)
    await inbox.take([told(1, "acc_a"), told(2, "acc_b")])
    assert await pool.fetchval("select watermark from applied") == 2
    assert await inbox.retry("acc_a") == (0, 1, describe(error))
