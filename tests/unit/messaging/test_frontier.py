"""The frontier: each source's records in order of position, whatever order they come in."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.eventstore.record import Actor, Record
from shared.messaging.frontier import Frontier, UnknownLog
from shared.messaging.topics import Delivered

LOG, OTHER = uuid4(), uuid4()


def record(position: int, source: str = "registry", log_id: UUID = LOG) -> Delivered:
    moment = datetime(2025, 3, 3, tzinfo=UTC)
    told = Record(
        id=uuid4(),
        stream="per_1",
        version=position,
        log_id=log_id,
        type="t.T.v1",
        recorded_at=moment,
        occurred_at=moment,
        actor=Actor("test"),
        causation_id=None,
        correlation_id=uuid4(),
        traceparent=None,
        payload=msgspec.Raw(b"{}"),
    )
    return Delivered(source, position, told, b"")


def positions(items: list[Delivered]) -> list[int]:
    return [item.position for item in items]


@given(st.permutations(range(1, 9)), st.lists(st.integers(1, 8)))
def test_every_record_is_handed_on_once_and_in_order(order: list[int], repeats: list[int]) -> None:
    frontier = Frontier({})
    handed: list[int] = []
    for position in [*order[:4], *repeats, *order[4:], *repeats]:
        frontier.offer(record(position))
        handed += positions(frontier.ready())
    assert handed == list(range(1, 9))
    assert frontier.waiting == 0


def test_what_the_inbox_has_applied_is_not_handed_on_again() -> None:
    frontier = Frontier({"registry": (LOG, 5)})
    for position in (4, 5, 6):
        frontier.offer(record(position))
    assert positions(frontier.ready()) == [6]


def test_the_end_of_a_log_waits_for_its_beginning() -> None:
    frontier = Frontier({})
    frontier.offer(record(3))
    assert frontier.ready() == []
    assert frontier.waiting == 1


def test_nobody_waits_for_what_is_unreadable() -> None:
    frontier = Frontier({})
    frontier.offer(record(2))
    assert frontier.ready() == []
    [gap] = frontier.gaps()
    frontier.skip(gap)
    assert positions(frontier.ready()) == [2]
    assert frontier.gaps() == []


def test_a_gap_is_as_old_as_the_last_record_that_was_handed_on_while_others_wait() -> None:
    now = 100.0
    frontier = Frontier({"registry": (LOG, 5)}, lambda: now)

    def lacks(*offered: int) -> list[tuple[int, int, float]]:
        for position in offered:
            frontier.offer(record(position))
        frontier.ready()
        return [(gap.position, gap.waiting, gap.since) for gap in frontier.gaps()]

    assert lacks() == []
    assert lacks(9, 12) == [(6, 2, 100.0)]
    now = 107.0
    assert lacks(10) == [(6, 3, 100.0)]
    assert lacks(6) == [(7, 3, 107.0)]
    now = 110.0
    [gap] = frontier.gaps()
    frontier.skip(gap)
    assert lacks() == [(8, 3, 107.0)]
    assert lacks(8) == [(11, 1, 110.0)]
    assert lacks(11) == []


def test_one_source_does_not_wait_for_another() -> None:
    frontier = Frontier({})
    frontier.offer(record(2))
    frontier.offer(record(1, "training", OTHER))
    assert [(item.source, item.position) for item in frontier.ready()] == [("training", 1)]


def test_a_second_log_of_a_source_is_refused() -> None:
    frontier = Frontier({"registry": (LOG, 5)})
    with pytest.raises(UnknownLog):
        frontier.offer(record(6, log_id=OTHER))
    assert frontier.ready() == []
