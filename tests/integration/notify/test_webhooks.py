"""Endpoints are told of every message that they are owed, at least once and under its id, whatever happens to us."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from services.notify.domain.webhook_attempt import (
    RETRIES,
)
from services.notify.domain.webhook_endpoint import (
    ChooseTypes,
    DisableEndpoint,
    EnableEndpoint,
    RemoveEndpoint,
    RequestTest,
    RotateSecret,
    Signature,
)
from services.notify.processes import webhooks as sending
from services.notify.processes.webhooks import Webhooks, made_of
from services.notify.projections import webhooks as projection
from services.notify.projections.webhooks import standing
from shared.eventstore.projections import request_build
from shared.testing.fault_points import FaultPoint, armed
from shared.values.ids import new_id, uuid7
from shared.values.personal import Clear
from shared.web.outside import Outside, Reply
from shared.web.webhook_signing import NotGenuine, new_secret, verify
from tests.integration.notify.desk import CLAIM, PERSON, Desk, until
from tests.integration.places import Place
from tests.receiver import Receiver, receiving


@pytest.fixture
def desk(place: Place) -> Desk:
    return Desk(place)


@pytest.mark.parametrize("signature", ["v1", "v1a"])
async def test_a_message_is_told_of_signed_and_recorded(desk: Desk, receiver: Receiver, signature: Signature) -> None:
    endpoint, key = await desk.register(receiver.url, signature=signature)
    message = await desk.send()
    async with desk.at_work():
        await desk.settled(endpoint)
    [came] = receiver.received
    assert verify(key, came.headers, came.body, datetime.now(UTC)) == message
    told = msgspec.json.decode(came.body)
    assert told.pop("timestamp").endswith("Z")
    subject = {"message_id": message, "person_id": PERSON, "subject_kind": "claim", "subject_id": CLAIM}
    assert told == {"type": "claim.paid", "data": subject}
    made = await desk.attempt(message, endpoint, 1)
    assert made is not None
    assert (made.outcome, made.status, made.error, made.next_at) == ("delivered", 204, None, None)


async def test_only_what_is_wanted_from_then_on_is_told(desk: Desk, receiver: Receiver) -> None:
    await desk.send()
    endpoint, _ = await desk.register(receiver.url, "claim.paid")
    paid, _ = [await desk.send(), await desk.send("claim_held.v1")]
    await desk.change(endpoint, ChooseTypes(()))
    held = await desk.send("claim_held.v1")
    async with desk.at_work():
        await desk.settled(endpoint)
    assert sorted(receiver.ids) == sorted([paid, held])


async def test_attempts_go_on_over_days_then_the_message_is_given_up_until_it_is_asked_for(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.answer = lambda id, time: (500, {}) if id == refused else (204, {})
    endpoint, _ = await desk.register(receiver.url)
    refused, taken = await desk.send(), await desk.send()
    async with desk.at_work():
        for number in range(1, len(RETRIES) + 2):
            await until(lambda number=number: desk.hurried(refused, endpoint, number), True)
        await desk.settled(endpoint, given_up=1)
        assert (await desk.endpoint(endpoint)).status == "enabled"  # it has taken another message in the meantime
        bodies = {item.body for item in receiver.received if item.id == refused}
        assert len(bodies) == 1
        receiver.answer = lambda id, time: (204, {})
        await desk.resend(endpoint, refused, len(RETRIES) + 1)
        await desk.settled(endpoint)
    assert receiver.ids.count(refused) == len(RETRIES) + 2
    assert receiver.ids.count(taken) == 1
    made = [await desk.attempt(refused, endpoint, number) for number in range(1, len(RETRIES) + 3)]
    assert [item.outcome for item in made if item] == ["failed"] * (len(RETRIES) + 1) + ["delivered"]
    pauses = [item.next_at - item.attempted_at if item and item.next_at else None for item in made]
    for pause, least in zip(pauses, (*RETRIES, None, None), strict=True):
        assert (pause is None) == (least is None)
        assert pause is None or least is None or least <= pause < least + timedelta(seconds=30)


async def test_an_endpoint_that_is_not_heard_of_for_days_is_disabled_and_everything_waits(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.answer = lambda id, time: (503, {})
    endpoint, _ = await desk.register(receiver.url)
    first = await desk.send()
    async with desk.at_work():
        for number in range(1, len(RETRIES) + 2):
            await until(lambda number=number: desk.hurried(first, endpoint, number), True)
        await until(lambda: _why(desk, endpoint), ("disabled", "failing"))
        second = await desk.send()
        await desk.settled(endpoint, waiting=1, given_up=1)
        receiver.answer = lambda id, time: (204, {})
        await desk.change(endpoint, EnableEndpoint())
        await desk.settled(endpoint)
    assert receiver.ids[-2:] in ([first, second], [second, first])


async def _why(desk: Desk, endpoint: str) -> tuple[str, str | None]:
    found = await desk.endpoint(endpoint)
    return found.status, found.reason


async def test_who_answers_gone_is_left_alone_until_enabled(desk: Desk, receiver: Receiver) -> None:
    receiver.answer = lambda id, time: (410, {})
    endpoint, _ = await desk.register(receiver.url)
    message = await desk.send()
    async with desk.at_work():
        await until(lambda: _why(desk, endpoint), ("disabled", "gone"))
        await desk.hurry()
        await asyncio.sleep(0.3)
        assert receiver.ids == [message]
        receiver.answer = lambda id, time: (204, {})
        await desk.change(endpoint, EnableEndpoint())
        await desk.settled(endpoint)
    assert receiver.ids == [message, message]


async def test_who_asks_for_more_time_is_given_it(desk: Desk, receiver: Receiver) -> None:
    receiver.answer = lambda id, time: (429, {"retry-after": "7200"})
    endpoint, _ = await desk.register(receiver.url)
    message = await desk.send()
    async with desk.at_work():
        await until(lambda: desk.made(message, endpoint, 1), True)
    made = await desk.attempt(message, endpoint, 1)
    assert made is not None
    assert made.next_at is not None
    assert made.next_at - made.attempted_at >= timedelta(hours=2)


async def test_of_many_each_comes_once(desk: Desk, receiver: Receiver) -> None:
    """Also those that are recorded while one looks which attempts the read model shows."""
    endpoint, _ = await desk.register(receiver.url)
    sent = [await desk.send() for _ in range(150)]
    desk.batch = 2
    async with desk.at_work():
        await desk.settled(endpoint)
    assert sorted(receiver.ids) == sorted(sent)


async def test_a_clock_that_is_ahead_of_the_database_s_shortens_no_pause(
    desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine that sends and the one that keeps are seldom of one mind to the second."""

    ahead = SimpleNamespace(now=lambda tz: datetime.now(tz) + timedelta(seconds=20))
    monkeypatch.setattr(sending, "datetime", ahead)
    receiver.answer = lambda id, time: (503, {})
    endpoint, _ = await desk.register(receiver.url)
    message = await desk.send()
    async with desk.at_work():
        await until(lambda: desk.rows_of(1), 1)
        await asyncio.sleep(0.5)
    assert receiver.ids == [message]
    assert await standing(desk.place.pool, endpoint) == (1, 0)


async def test_an_attempt_that_was_under_way_when_its_endpoint_was_enabled_ends_nothing(
    desk: Desk, receiver: Receiver
) -> None:
    endpoint, _ = await desk.register(receiver.url)
    message = await desk.send()
    await desk.place.pool.execute("update webhook_owed set step = $1", len(RETRIES))
    receiver.hold.clear()
    receiver.answer = lambda id, time: (500, {}) if time == 1 else (204, {})
    async with desk.at_work():
        await until(lambda: _count(receiver), 1)
        await desk.change(endpoint, DisableEndpoint("asked"))
        await desk.change(endpoint, EnableEndpoint())
        receiver.hold.set()
        await desk.settled(endpoint)
    assert receiver.ids == [message, message]
    assert await _why(desk, endpoint) == ("enabled", None)


async def test_a_resend_that_crosses_the_next_attempt_leaves_nothing_behind(desk: Desk, receiver: Receiver) -> None:
    """Whichever is written first: the other is decided anew."""
    receiver.answer = lambda id, time: (500, {}) if time == 1 else (204, {})
    endpoint, _ = await desk.register(receiver.url)
    message = await desk.send()
    async with desk.at_work():
        await until(lambda: desk.made(message, endpoint, 1), True)
        receiver.hold.clear()
        await until(lambda: desk.hurried_to(receiver, 2), True)
        await desk.resend(endpoint, message, 1)
        receiver.hold.set()
        await desk.settled(endpoint)
        with pytest.raises(AssertionError, match="superseded"):
            await desk.resend(endpoint, message, 1)
    assert receiver.ids == [message, message]


async def test_what_is_due_is_found_without_reading_what_is_not(desk: Desk, receiver: Receiver) -> None:
    endpoint, _ = await desk.register(receiver.url)
    for due_at in ("clock_timestamp() + interval '1 h'", "null::timestamptz"):
        await desk.place.pool.execute(
            "insert into webhook_owed (build, endpoint, message, type, since, last_at, due_at, cause)"
            f" select 1, $1, gen_random_uuid(), 't', clock_timestamp(), clock_timestamp(), {due_at}, gen_random_uuid()"
            " from generate_series(1, 20000)",
            endpoint,
        )
    await desk.place.pool.execute("analyze webhook_owed")
    async with desk.place.pool.acquire() as connection:
        plan = [row[0] for row in await connection.fetch(f"explain (analyze, timing off) {projection.DUE}", 16)]
    assert not any("Removed by Filter" in line for line in plan), "\n".join(plan)


async def test_enabling_takes_no_longer_for_many(desk: Desk, receiver: Receiver) -> None:
    """It touches no row of what is owed; given up and waiting ones are due all the same."""
    endpoint, _ = await desk.register(receiver.url)
    await desk.change(endpoint, DisableEndpoint("asked"))
    sent = [await desk.send() for _ in range(5)]
    await desk.place.pool.execute("update webhook_owed set due_at = null, step = 9 where message = $1", sent[0])
    await desk.place.pool.execute(
        "update webhook_owed set due_at = due_at + interval '1 d' where message = $1", sent[1]
    )
    before = await desk.place.pool.fetch("select xmin, * from webhook_owed order by message")
    assert await standing(desk.place.pool, endpoint) == (4, 1)
    await desk.change(endpoint, EnableEndpoint())
    assert await desk.place.pool.fetch("select xmin, * from webhook_owed order by message") == before
    assert await standing(desk.place.pool, endpoint) == (5, 0)
    async with desk.at_work():
        await desk.settled(endpoint)
    assert sorted(receiver.ids) == sorted(sent)


async def test_nothing_waits_for_a_clock_that_went_back(desk: Desk, receiver: Receiver) -> None:
    """A message that came, and one that was attempted, while the clock was ahead by an hour."""
    receiver.answer = lambda id, time: (204, {}) if id != failed or time > 1 else (500, {})
    endpoint, _ = await desk.register(receiver.url)
    failed = await desk.send()
    ahead = "update webhook_owed set last_at = last_at + interval '1 h', due_at = due_at + interval '1 h'"
    async with desk.at_work():
        await until(lambda: desk.made(failed, endpoint, 1), True)
        await until(lambda: desk.rows_of(1), 1)
        await desk.place.pool.execute(ahead)
        await desk.settled(endpoint)
    fresh = await desk.send()
    await desk.place.pool.execute(ahead)
    async with desk.at_work():
        await desk.settled(endpoint)
    assert receiver.ids == [failed, failed, fresh]


def interrupted() -> None:
    raise ConnectionResetError("the database has gone")


async def test_who_fails_between_the_answer_and_its_record_tells_again_under_the_same_id(
    desk: Desk, receiver: Receiver
) -> None:
    endpoint, _ = await desk.register(receiver.url)
    message = await desk.send()
    with armed(FaultPoint.WEBHOOK_SENT, interrupted):
        async with desk.at_work():
            await desk.settled(endpoint)
    assert receiver.ids == [message, message]
    assert await desk.made(message, endpoint, 1)
    assert not await desk.made(message, endpoint, 2)


def unforeseen() -> None:
    raise ZeroDivisionError


async def test_what_nobody_foresaw_of_one_message_holds_up_no_other(
    desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "WAIT_SECONDS", 0.1)
    endpoint, _ = await desk.register(receiver.url)
    sent = [await desk.send() for _ in range(3)]
    with armed(FaultPoint.WEBHOOK_TAKEN, unforeseen):
        async with desk.at_work():
            await desk.settled(endpoint)
    assert sorted(receiver.ids) == sorted(sent)


async def test_two_who_make_the_same_attempt_record_it_once(desk: Desk, receiver: Receiver) -> None:
    """As one does that was frozen while another took its lease over."""
    endpoint, _ = await desk.register(receiver.url)
    message = await desk.send()
    receiver.hold.clear()
    async with desk.at_work(2):
        await until(lambda: _count(receiver), 1)
        await desk.place.pool.execute("update lease set expires_at = '-infinity' where name = 'webhooks'")
        await until(lambda: _count(receiver), 2)
        receiver.hold.set()
        await desk.settled(endpoint)
    assert receiver.ids == [message, message]
    assert not await desk.made(message, endpoint, 2)
    query = "select count(*) from event where type = 'notify.WebhookAttempted.v1'"
    assert await desk.place.pool.fetchval(query) == 1


async def test_who_records_an_attempt_too_late_changes_nothing(desk: Desk, receiver: Receiver) -> None:
    """What another was told the first time counts, also where this one was told to leave the endpoint alone."""
    endpoint, _ = await desk.register(receiver.url)
    message = await desk.send()
    [owed] = await projection.due(desk.place.pool, 1)
    worker, seen = Webhooks(desk.place.store, Outside(loopback=True)), await desk.endpoint(endpoint)
    for status in (204, 410):
        now = datetime.now(UTC)
        await worker._record(owed, seen, made_of(owed, seen.client, now, now, Reply(status, None, 1)))
    made = await desk.attempt(message, endpoint, 1)
    assert made is not None
    assert made.status == 204
    assert await _why(desk, endpoint) == ("enabled", None)


async def _count(receiver: Receiver) -> int:
    return len(receiver.received)


async def test_who_is_slow_holds_up_nobody_else(
    desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "AT_ONCE", 2)
    async with receiving() as silent:
        silent.hold.clear()
        slow, _ = await desk.register(silent.url)
        quick, _ = await desk.register(receiver.url)
        sent = [await desk.send() for _ in range(9)]
        async with desk.at_work():
            await desk.settled(quick)
            assert sorted(receiver.ids) == sorted(sent)
            assert len(silent.received) == 2  # and no more than that at a time
            silent.hold.set()
            await desk.settled(slow)


async def test_a_removed_endpoint_is_told_of_nothing(desk: Desk, receiver: Receiver) -> None:
    endpoint, _ = await desk.register(receiver.url)
    await desk.send()
    await desk.change(endpoint, RemoveEndpoint())
    await desk.send()
    kept, _ = await desk.register(f"{receiver.url}/kept")
    told = await desk.send()
    async with desk.at_work():
        await desk.settled(kept)
    assert receiver.ids == [told]
    assert endpoint not in {row[0] for row in await desk.rows()}


async def test_a_replaced_secret_verifies_for_a_day_beside_the_new_one(desk: Desk, receiver: Receiver) -> None:
    endpoint, old = await desk.register(receiver.url)
    new, newest = new_secret("v1"), new_secret("v1")
    now = datetime.now(UTC)
    await desk.change(endpoint, RotateSecret(Clear(endpoint, new), None, now - timedelta(hours=30)))
    await desk.change(endpoint, RotateSecret(Clear(endpoint, newest), None, now))
    await desk.send()
    async with desk.at_work():
        await desk.settled(endpoint)
    [came] = receiver.received
    for key in (new, newest):
        verify(key, came.headers, came.body, now)
    with pytest.raises(NotGenuine):
        verify(old, came.headers, came.body, now)


async def test_a_test_tells_nothing_but_that_it_is_one(desk: Desk, receiver: Receiver) -> None:
    endpoint, key = await desk.register(receiver.url, "claim.paid")
    test = new_id("tst", uuid7())
    await desk.change(endpoint, RequestTest(test))
    async with desk.at_work():
        await desk.settled(endpoint)
    [came] = receiver.received
    assert verify(key, came.headers, came.body, datetime.now(UTC)) == test
    told = msgspec.json.decode(came.body)
    assert (told["type"], told["data"]) == ("webhook.test", {"test_id": test})


async def test_nobody_is_told_anything_again_when_the_read_model_is_made_anew(desk: Desk, receiver: Receiver) -> None:
    """It follows from the log alone, what came of each attempt included."""
    chance = random.Random(7)
    kept, _ = await desk.register(receiver.url, "claim.paid")
    away, _ = await desk.register("http://127.0.0.1:1/")
    removed, _ = await desk.register(f"{receiver.url}/2")
    receiver.answer = lambda id, time: (chance.choice((204, 204, 500)), {})
    async with desk.at_work():
        for number in range(12):
            await desk.send(chance.choice(("claim_paid.v1", "claim_held.v1")))
            if number == 5:
                await desk.change(removed, DisableEndpoint("asked"))
                await desk.change(kept, ChooseTypes(("claim.held",)))
            if number == 8:
                await desk.change(removed, RemoveEndpoint())
            if number % 3 == 0:
                await desk.hurry()
        receiver.answer = lambda id, time: (204, {})
        async with asyncio.timeout(30):
            while (await standing(desk.place.pool, kept)).waiting:
                await desk.hurry()
                await asyncio.sleep(0.05)
    await desk.catch_up()
    known = len(receiver.received)
    assert await request_build(desk.place.pool, "webhooks", 1) == 2
    await desk.catch_up(2)
    shown = [[_but_due(row) for row in await desk.rows(build)] for build in (1, 2)]
    assert shown[0] == shown[1] != []
    assert {row[0] for row in shown[1]} == {kept, away}
    await desk.place.pool.execute("update projection_build set state = 'retired' where name = 'webhooks' and build = 1")
    await desk.place.pool.execute("update projection_build set state = 'live' where name = 'webhooks' and build = 2")
    async with desk.at_work():
        await asyncio.sleep(0.3)
    assert len(receiver.received) == known


async def test_nobody_is_told_anything_again_while_emptied_tables_fill(desk: Desk, receiver: Receiver) -> None:
    """Until the read model has come to its attempt, a message looks as if it were owed."""
    receiver.answer = lambda id, time: (204, {}) if time == 2 or id != failed else (500, {})
    endpoint, _ = await desk.register(receiver.url)
    failed, *_ = [await desk.send() for _ in range(10)]
    async with desk.at_work():
        await until(lambda: desk.hurried(failed, endpoint, 2), True)
        await desk.settled(endpoint)
        for number in range(1, 4):
            desk.batch = number
            before = list(receiver.ids)
            async with desk.place.pool.acquire() as connection, connection.transaction():
                await connection.execute("truncate webhook_owed, webhook_target")
                await connection.execute("delete from checkpoint where reader = 'projection:webhooks:1'")
            await until(lambda: desk.shown(), desk.place.reader.head)
            await asyncio.sleep(0.3)
            assert receiver.ids == before
            assert await standing(desk.place.pool, endpoint) == (0, 0)


def _but_due(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """`hurry` has moved when it is due."""
    return (*row[:7], row[7] is None, *row[8:]) if len(row) == 10 else row
