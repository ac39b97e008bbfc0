"""The kernel by example: what `docs/kernel.md` shows."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from shared.eventstore.decider import (
    Aggregate,
    Decision,
    Event,
    LimitChange,
    Rejection,
    ReleasePlace,
    Row,
    TakePlace,
    Upcast,
    Use,
)
from shared.eventstore.follower import Follower
from shared.eventstore.needs import IdempotencyKey, Needs
from shared.eventstore.process import Command, Process, Reaction, Reactor, SetTimer
from shared.eventstore.reactions import Reactions, queue_for
from shared.eventstore.reader import LogReader
from shared.eventstore.record import Actor, EventTypes, Record, tag_of
from shared.eventstore.sequencer import Sequencer
from shared.eventstore.store import Store, new_context
from shared.eventstore.work import Answer, Work, fingerprint
from shared.testing.fault_points import FaultPoint, Injected, armed
from shared.testing.spec import given
from shared.values.personal import REDACTED, Clear, Personal
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey


# snippet: domain
class SeatBooked(Event, frozen=True, tag="example.SeatBooked.v1"):
    course: str
    guest: Personal[str]
    price: Decimal


class SeatGivenBack(Event, frozen=True, tag="example.SeatGivenBack.v1"):
    course: str
    price: Decimal


class Booking(msgspec.Struct, frozen=True):
    course: str | None = None
    price: Decimal = Decimal(0)


def evolve(booking: Booking, event: Event) -> Booking:
    match event:
        case SeatBooked():
            return Booking(event.course, event.price)
        case _:
            return Booking()


class BookSeat(msgspec.Struct, frozen=True):
    course: str
    guest: Personal[str]
    price: Decimal


def decide(command: BookSeat, booking: Booking) -> Decision:
    if booking.course is not None:
        return Rejection(code="already_booked", detail="已预订")
    return [SeatBooked(command.course, command.guest, command.price)]


# end snippet


# snippet: limits
def limits(before: Booking, event: Event) -> Iterable[LimitChange]:
    match event:
        case SeatBooked():
            return (TakePlace("seats", event.course, 3), Use("till", "2025", event.price))
        case _:
            return (ReleasePlace("seats", before.course or "", 3), Use("till", "2025", -before.price))


def rows(stream: str, booking: Booking, event: Event) -> Iterable[Row]:
    return (Row("booking", stream, booking),)


BOOKING: Aggregate[Booking] = Aggregate("bkg", (SeatBooked, SeatGivenBack), Booking, evolve, limits, rows)
# end snippet


COURSE = "创业能力"
PRICE = Decimal("1800.00")
SEAT = BookSeat(COURSE, Clear("per_1", "陆一"), PRICE)


def test_a_seat_is_booked_once() -> None:
    # snippet: given-when-then
    booked = SeatBooked(COURSE, SEAT.guest, PRICE)
    given(BOOKING).when(decide, SEAT).then(booked)
    given(BOOKING, booked).when(decide, SEAT).then_rejected("already_booked")
    # end snippet


# snippet: command
async def book(store: Store, guest: str, key: str | None = None) -> Answer | Rejection:
    stream = f"bkg_{uuid4()}"
    places = tuple(("seats", f"{COURSE}/{place}") for place in (1, 2, 3))

    def handle(work: Work) -> Answer | Rejection:
        if len(work.holders("seats", COURSE, 3)) == 3:
            return Rejection(code="full", detail="名额已满")
        if work.left("till", "2025") < PRICE:
            return Rejection(code="exhausted", detail="预算不足")
        decision = decide(BookSeat(COURSE, Clear(guest, "陆一"), PRICE), work.state(BOOKING, stream))
        if isinstance(decision, Rejection):
            return decision
        work.append(BOOKING, stream, decision)
        return Answer(201, stream.encode(), stream, work.version(stream))

    needs = Needs(streams=(stream,), unique=places, bounded=(("till", "2025"),), subjects=(guest,))
    idempotency = None if key is None else IdempotencyKey("app", key, fingerprint(guest.encode()))
    return (await store.carry_out(needs, handle, new_context(Actor("app")), idempotency)).outcome


# end snippet


@pytest.fixture
async def store(pool: asyncpg.Pool, keys: Path) -> Store:
    await pool.execute("insert into limit_bounded (scope, key, bound) values ('till', '2025', 5400)")
    return Store(pool, [BOOKING], Keyring(FileMasterKey(keys)))


def code(outcome: Answer | Rejection) -> str:
    return outcome.code if isinstance(outcome, Rejection) else "booked"


async def test_three_seats_are_given_however_many_ask_at_once(store: Store) -> None:
    # snippet: last-place
    outcomes = await asyncio.gather(*(book(store, f"per_{n}") for n in range(200)))
    assert sorted(map(code, outcomes)) == ["booked"] * 3 + ["full"] * 197
    # end snippet


async def test_a_repeated_request_has_one_effect(store: Store, pool: asyncpg.Pool) -> None:
    # snippet: idempotency
    answers = await asyncio.gather(*(book(store, "per_1", key="same") for _ in range(50)))
    assert len(set(map(str, answers))) == 1
    assert await pool.fetchval("select count(*) from event") == 1
    # end snippet


async def test_positions_have_no_gap(store: Store, pool: asyncpg.Pool) -> None:
    for n in range(3):
        await book(store, f"per_{n}")
    # snippet: sequencer
    reader = LogReader(pool)
    await reader.start()
    await Sequencer(pool, store.appended, reader.advance).step()
    assert [item.position for item in await reader.read(after=0)] == [1, 2, 3]
    # end snippet


async def test_a_killed_sequencer_loses_nothing(store: Store, pool: asyncpg.Pool) -> None:
    await book(store, "per_1")
    # snippet: fault-point
    sequencer = Sequencer(pool, store.appended, lambda position: None)
    with armed(FaultPoint.SEQUENCE_HASHED), pytest.raises(Injected):
        await sequencer.step()
    assert await sequencer.step() == 1
    # end snippet


async def test_what_is_sealed_is_gone_with_its_key(store: Store, pool: asyncpg.Pool) -> None:
    answer = await book(store, "per_1")
    assert isinstance(answer, Answer)
    assert answer.stream is not None
    # snippet: sealed
    stored = (await store.look(Needs(streams=(answer.stream,)))).history(answer.stream)[0]
    guest: Any = stored.event.guest  # type: ignore[attr-defined]
    assert "陆一".encode() not in await pool.fetchval("select payload from event")
    assert await store.disclose([(stored.id, guest)]) == ["陆一"]
    await store.erase("per_1")
    assert await store.disclose([(stored.id, guest)]) == [REDACTED]
    # end snippet


# snippet: process
def remind(record: Record) -> Sequence[Reaction]:
    """A day after a seat was booked, look whether it is still wanted."""
    return [SetTimer(key=record.stream, due_at=record.occurred_at + timedelta(days=1), payload=b"")]


def give_back(stream: str, _: bytes) -> Sequence[Command]:
    def handle(work: Work) -> Answer:
        booking = work.state(BOOKING, stream)
        if booking.course is not None:
            work.append(BOOKING, stream, [SeatGivenBack(booking.course, booking.price)])
        return Answer(204, b"")

    return [Command(needs=Needs(streams=(stream,)), handler=handle)]


REMINDER = Process(name="reminder", on=frozenset({tag_of(SeatBooked)}), react=remind, wake=give_back)
# end snippet


async def test_a_seat_is_given_back_when_its_timer_is_due(store: Store, pool: asyncpg.Pool) -> None:
    await book(store, "per_1")
    reader = LogReader(pool)
    await reader.start()
    reactor = Reactor(store, [REMINDER])
    await Sequencer(pool, store.appended, reader.advance).step()
    await Follower(pool, reader, "processes", queue_for(reactor, "example")).step()
    reactions = Reactions(store, reactor)
    assert await reactions.react() == 1
    assert await reactions.wake_due() == 0
    await pool.execute("insert into business_clock (stands_at) values (now() + interval '25 hours')")
    assert await reactions.wake_due() == 1
    assert await pool.fetchval("select count(*) from limit_unique where holder is not null") == 0


def test_an_old_event_is_read_as_a_new_one() -> None:
    # snippet: upcaster
    def priced(old: dict[str, Any]) -> dict[str, Any]:
        return {"course": old["title"], "price": "0.00"}

    types = EventTypes([BOOKING], [Upcast("example.SeatGivenBack.v0", "example.SeatGivenBack.v1", priced)])
    read = types.decode("example.SeatGivenBack.v0", '{"type":"example.SeatGivenBack.v0","title":"创业能力"}'.encode())
    assert read == SeatGivenBack("创业能力", Decimal("0.00"))
    # end snippet
