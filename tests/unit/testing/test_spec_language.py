"""The language of domain tests can fail, and then says why."""

import msgspec
import pytest

from shared.eventstore.decider import Aggregate, Decision, Event, Rejection
from shared.testing.spec import given


class Counted(Event, frozen=True, tag="test.Counted.v1"):
    by: int
    who: str = "clerk"


class Count(msgspec.Struct, frozen=True):
    by: int


COUNTER: Aggregate[int] = Aggregate("cnt", (Counted,), lambda: 0, lambda total, event: total + event.by)


def decide(command: Count, total: int) -> Decision:
    if command.by < 0:
        return Rejection(code="negative", detail="不能为负数", status=422)
    if total + command.by > 10:
        return Rejection(code="speechless", detail="")
    return [Counted(command.by)] if command.by else []


def test_events_that_came_as_expected_pass_and_give_the_state_after_them() -> None:
    assert given(COUNTER, Counted(1), Counted(2)).when(decide, Count(3)).then(Counted(3)) == 6


def test_nothing_and_a_rejection_are_told_apart() -> None:
    assert given(COUNTER, Counted(1)).when(decide, Count(0)).then_nothing() == 1
    assert given(COUNTER).when(decide, Count(-1)).then_rejected("negative", 422).detail == "不能为负数"


def failing(line: object) -> str:
    with pytest.raises(AssertionError) as raised:
        line()  # type: ignore[operator]
    return str(raised.value)


def test_other_events_fail_with_the_differing_field_alone_marked() -> None:
    told = failing(lambda: given(COUNTER).when(decide, Count(3)).then(Counted(4)))
    assert "other events than expected, when Count(\n    by=3,\n)" in told
    assert "-     by=4,\n" in told
    assert "+     by=3,\n" in told
    assert "      who='clerk'," in told


@pytest.mark.parametrize("expected", [(), (Counted(3), Counted(3))])
def test_too_few_and_too_many_events_fail(expected: tuple[Event, ...]) -> None:
    assert "other events" in failing(lambda: given(COUNTER).when(decide, Count(3)).then(*expected))
    assert "other events" in failing(lambda: given(COUNTER).when(decide, Count(3)).then_nothing())


def test_the_order_of_events_matters() -> None:
    def two(command: Count, total: int) -> Decision:
        return [Counted(1), Counted(2)]

    given(COUNTER).when(two, Count(1)).then(Counted(1), Counted(2))
    failing(lambda: given(COUNTER).when(two, Count(1)).then(Counted(2), Counted(1)))


def test_a_rejection_where_events_were_expected_fails_and_shows_it() -> None:
    told = failing(lambda: given(COUNTER).when(decide, Count(-1)).then(Counted(-1)))
    assert "it was rejected" in told
    assert "code='negative'" in told
    failing(lambda: given(COUNTER).when(decide, Count(-1)).then_nothing())


def test_events_where_a_rejection_was_expected_fail_and_are_shown() -> None:
    told = failing(lambda: given(COUNTER).when(decide, Count(3)).then_rejected("negative", 422))
    assert "expected rejection negative, but it was accepted" in told
    assert "by=3" in told
    assert "without an event" in failing(lambda: given(COUNTER).when(decide, Count(0)).then_rejected("negative"))


def test_another_code_or_status_fails() -> None:
    outcome = given(COUNTER).when(decide, Count(-1))
    assert "came negative (422)" in failing(lambda: outcome.then_rejected("positive", 422))
    assert "came negative (422)" in failing(lambda: outcome.then_rejected("negative"))


def test_a_rejection_that_says_nothing_fails() -> None:
    assert "no detail" in failing(
        lambda: given(COUNTER, Counted(10)).when(decide, Count(1)).then_rejected("speechless")
    )
