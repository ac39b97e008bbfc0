"""Evaluators: appointed for a term, and told apart inside certificate numbers."""

from datetime import date, timedelta

import pytest
from hypothesis import given as every
from hypothesis import strategies as st

from services.training.domain.evaluator import (
    CODE,
    EVALUATOR,
    EVALUATORS,
    MARK,
    AppointEvaluator,
    Evaluator,
    EvaluatorAppointed,
    EvaluatorId,
    decide,
    mark,
)
from shared.eventstore.decider import Row, Take
from shared.testing.spec import given

ID, FROM, UNTIL = EvaluatorId("evb_1"), date(2025, 1, 1), date(2025, 12, 31)
NAME = "申评示范创业培训评价中心"
APPOINTED = EvaluatorAppointed(evaluator_id=ID, code="demo-1", name=NAME, appointed_from=FROM, appointed_until=UNTIL)


def appointment(until: date = UNTIL, code: str | None = None, mark: str | None = None) -> AppointEvaluator:
    return AppointEvaluator(ID, "demo-1", NAME, FROM, until, code, mark)


@pytest.mark.clause("B-22")
def test_an_evaluation_body_is_appointed_for_a_term() -> None:
    given(EVALUATOR).when(decide, appointment()).then(APPOINTED)
    evaluator = EVALUATOR.fold([APPOINTED])
    assert evaluator == Evaluator(ID, "demo-1", NAME, FROM, UNTIL)
    days = (FROM - timedelta(days=1), FROM, UNTIL, UNTIL + timedelta(days=1))
    assert [evaluator.appointed_on(day) for day in days] == [False, True, True, False]


def test_a_term_does_not_end_before_it_begins() -> None:
    given(EVALUATOR).when(decide, appointment(FROM - timedelta(days=1))).then_rejected("appointment_period", 422)


def test_a_code_belongs_to_one_evaluator() -> None:
    refused = given(EVALUATOR).when(decide, appointment(code="evb_0")).then_rejected("evaluator_exists")
    assert refused.extensions == {"evaluator_id": "evb_0"}


@pytest.mark.clause("B-32")
def test_two_evaluators_never_share_the_mark_in_their_certificates_numbers() -> None:
    refused = given(EVALUATOR).when(decide, appointment(mark="evb_0")).then_rejected("mark_taken")
    assert refused.extensions == {"evaluator_id": "evb_0"}
    assert EVALUATOR.limits(EVALUATOR.initial(), APPOINTED) == (Take(CODE, "demo-1"), Take(MARK, "D1"))


@pytest.mark.parametrize(
    ("code", "expected"), [("demo-1", "D1"), ("demo-12", "D12"), ("shen-ping", "SP"), ("a1b22", "A1B22"), ("7", "7")]
)
def test_a_mark_is_made_of_initials_and_numbers(code: str, expected: str) -> None:
    assert mark(code) == expected


@every(st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,31}\Z"))
def test_every_code_has_a_mark_that_fits_into_a_number(code: str) -> None:
    assert 1 <= len(mark(code)) <= 32
    assert mark(code).isascii()
    assert mark(code).isalnum()
    assert mark(code) == mark(code).upper()


def test_a_token_finds_its_evaluator_by_code() -> None:
    state = EVALUATOR.fold([APPOINTED])
    assert EVALUATOR.rows(ID, state, APPOINTED) == (Row(EVALUATORS, "demo-1", state),)
