"""Classes: opened by the qualified, filled by real names, evaluated by somebody else."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given as every
from hypothesis import settings
from hypothesis import strategies as st

from services.training.domain import training_class
from services.training.domain.training_class import (
    CLASS,
    MAX_EVALUATIONS,
    MAX_TRAINEES,
    ClassOpened,
    Enrol,
    Evaluate,
    OpenClass,
    TraineeEnrolled,
    TraineeEvaluated,
    decide,
)
from shared.eventstore.decider import Event, Rejection
from shared.testing.spec import given
from shared.values.ids import ClassId, InstitutionId, PersonId, ProjectId

ID, PROJECT, INSTITUTION, PERSON = ClassId("cls_1"), ProjectId("prj_1"), InstitutionId("ins_1"), PersonId("per_1")
STARTS, ENDS, TODAY = date(2025, 2, 3), date(2025, 3, 1), date(2025, 3, 3)
DAY = timedelta(days=1)
OPENED = ClassOpened(
    class_id=ID,
    project_id=PROJECT,
    stage="start_up",
    institution_id=INSTITUTION,
    institution_code="demo-1",
    district="310101",
    starts_on=STARTS,
    ends_on=ENDS,
)
ENROLLED = TraineeEnrolled(class_id=ID, person_id=PERSON, enrolled_on=STARTS)


def opening(*qualified: tuple[date, date], acts_for: tuple[str, ...] = ("demo-1",), ends: date = ENDS) -> OpenClass:
    return OpenClass(ID, PROJECT, "start_up", INSTITUTION, "demo-1", "310101", STARTS, ends, acts_for, qualified)


def enrolment(person: PersonId = PERSON, day: date = STARTS, acts_for: tuple[str, ...] | None = None) -> Enrol:
    return Enrol(person, day, TODAY, acts_for)


def evaluation(**changes: Any) -> Evaluate:
    fields = {
        "person_id": PERSON,
        "evaluator_code": "demo-1",
        "norm": "SHPJ-2023-01",
        "score": 88,
        "passed": True,
        "evaluated_on": TODAY,
        "today": TODAY,
        "appointed": True,
        "acts_for": (),
    }
    return Evaluate(**{**fields, **changes})


def evaluated(passed: bool = True, score: int = 88) -> TraineeEvaluated:
    return TraineeEvaluated(
        class_id=ID,
        person_id=PERSON,
        evaluator_code="demo-1",
        norm="SHPJ-2023-01",
        score=score,
        passed=passed,
        evaluated_on=TODAY,
    )


def enrolled(count: int) -> list[TraineeEnrolled]:
    return [
        TraineeEnrolled(class_id=ID, person_id=PersonId(f"per_x{number}"), enrolled_on=STARTS)
        for number in range(count)
    ]


# -- opening


@pytest.mark.clause("B-08")
@pytest.mark.parametrize("term", [(STARTS, ENDS), (STARTS - DAY, ENDS + DAY)])
def test_an_institution_qualified_on_all_days_opens_a_class(term: tuple[date, date]) -> None:
    given(CLASS).when(decide, opening((date(2020, 1, 1), date(2020, 12, 31)), term)).then(OPENED)


@pytest.mark.clause("B-08")
@pytest.mark.parametrize(
    "terms", [(), ((STARTS + DAY, ENDS),), ((STARTS, ENDS - DAY),), ((STARTS, STARTS), (ENDS, ENDS))]
)
def test_one_not_qualified_on_some_day_opens_none(terms: tuple[tuple[date, date], ...]) -> None:
    given(CLASS).when(decide, opening(*terms)).then_rejected("not_qualified")


def test_nobody_opens_a_class_for_another_institution() -> None:
    given(CLASS).when(decide, opening((STARTS, ENDS), acts_for=("demo-2",))).then_rejected("not_your_institution", 403)


def test_a_class_does_not_end_before_it_starts() -> None:
    given(CLASS).when(decide, opening((STARTS, ENDS), ends=STARTS - DAY)).then_rejected("class_period", 422)


# -- enrolling


@pytest.mark.clause("B-23")
@pytest.mark.parametrize("acts_for", [None, ("demo-1",)])
def test_the_app_and_the_institution_enrol_a_person(acts_for: tuple[str, ...] | None) -> None:
    given(CLASS, OPENED).when(decide, enrolment(acts_for=acts_for)).then(ENROLLED)


def test_another_institution_does_not() -> None:
    given(CLASS, OPENED).when(decide, enrolment(acts_for=("demo-2",))).then_rejected("not_your_institution", 403)


def test_a_person_is_enrolled_once() -> None:
    given(CLASS, OPENED, ENROLLED).when(decide, enrolment()).then_nothing()


def test_nobody_is_enrolled_in_the_future_or_after_the_class() -> None:
    given(CLASS, OPENED).when(decide, enrolment(day=TODAY + DAY)).then_rejected("enrolled_in_future", 422)
    given(CLASS, OPENED).when(decide, enrolment(day=ENDS + DAY)).then_rejected("class_ended")
    given(CLASS, OPENED).when(decide, enrolment(day=ENDS)).then(
        TraineeEnrolled(class_id=ID, person_id=PERSON, enrolled_on=ENDS)
    )


@pytest.mark.clause("B-23")
def test_a_class_does_not_swell() -> None:
    last = TraineeEnrolled(class_id=ID, person_id=PERSON, enrolled_on=STARTS)
    given(CLASS, OPENED, *enrolled(MAX_TRAINEES - 1)).when(decide, enrolment()).then(last)
    given(CLASS, OPENED, *enrolled(MAX_TRAINEES)).when(decide, enrolment()).then_rejected("class_full")


# -- evaluating


@pytest.mark.clause("B-09")
@pytest.mark.clause("B-30")
def test_an_appointed_evaluator_scores_a_trainee_by_a_named_norm() -> None:
    given(CLASS, OPENED, ENROLLED).when(decide, evaluation()).then(evaluated())


@pytest.mark.clause("B-09")
def test_an_institution_does_not_evaluate_its_own_trainees() -> None:
    command = evaluation(acts_for=("demo-1",))
    given(CLASS, OPENED, ENROLLED).when(decide, command).then_rejected("not_independent", 403)


@pytest.mark.clause("B-22")
def test_one_who_is_not_appointed_on_the_day_does_not_evaluate() -> None:
    given(CLASS, OPENED, ENROLLED).when(decide, evaluation(appointed=False)).then_rejected("not_appointed", 403)


@pytest.mark.clause("B-30")
def test_a_class_is_evaluated_by_one_body_until_its_term_is_over() -> None:
    other = PersonId("per_2")
    begun = (OPENED, ENROLLED, TraineeEnrolled(class_id=ID, person_id=other, enrolled_on=STARTS), evaluated(False, 41))
    second = evaluation(person_id=other, evaluator_code="demo-2")
    given(CLASS, *begun).when(decide, second).then_rejected("not_your_class", 403)
    taken_over = given(CLASS, *begun).when(decide, msgspec.structs.replace(second, vacant=True))
    by_the_other = msgspec.structs.replace(evaluated(), person_id=other, evaluator_code="demo-2")
    taken_over.then(by_the_other)
    given(CLASS, *begun, by_the_other).when(decide, evaluation()).then_rejected("not_your_class", 403)


@pytest.mark.clause("B-23")
def test_only_the_enrolled_are_evaluated() -> None:
    given(CLASS, OPENED).when(decide, evaluation()).then_rejected("not_enrolled")


@pytest.mark.parametrize(
    ("day", "code"), [(TODAY + DAY, "evaluated_in_future"), (STARTS - DAY, "evaluated_before_class")]
)
def test_an_evaluation_lies_between_the_start_of_the_class_and_today(day: date, code: str) -> None:
    given(CLASS, OPENED, ENROLLED).when(decide, evaluation(evaluated_on=day)).then_rejected(code, 422)


def test_who_failed_may_try_again_but_not_without_end() -> None:
    failed = [evaluated(passed=False, score=41)] * (MAX_EVALUATIONS - 1)
    given(CLASS, OPENED, ENROLLED, *failed).when(decide, evaluation()).then(evaluated())
    failed.append(failed[0])
    given(CLASS, OPENED, ENROLLED, *failed).when(decide, evaluation()).then_rejected("evaluations_used_up")


def test_who_passed_is_not_evaluated_again() -> None:
    given(CLASS, OPENED, ENROLLED, evaluated()).when(decide, evaluation()).then_rejected("already_passed")


@pytest.mark.parametrize("command", [enrolment(), evaluation()])
def test_nothing_happens_in_a_class_that_is_not_known(command: object) -> None:
    given(CLASS).when(decide, command).then_rejected("not_found", 404)


def test_the_longest_class_stays_under_a_thousand_events() -> None:
    assert 1 + MAX_TRAINEES * (1 + MAX_EVALUATIONS) < 1000


@settings(max_examples=50)
@every(st.lists(st.tuples(st.sampled_from(["enrol", "pass", "fail"]), st.integers(0, 5)), max_size=60))
def test_whatever_comes_all_who_passed_are_enrolled_and_passed_once(steps: list[tuple[str, int]]) -> None:
    events: list[Event] = [OPENED]
    for what, who in steps:
        person = PersonId(f"per_{who}")
        command = enrolment(person) if what == "enrol" else evaluation(person_id=person, passed=what == "pass")
        decision = decide(command, CLASS.fold(events))
        events += [] if isinstance(decision, Rejection) else decision
    state = CLASS.fold(events)
    assert CLASS.fold(events[len(events) // 2 :], CLASS.fold(events[: len(events) // 2])) == state
    for trainee in state.trainees.values():
        assert sum(one.passed for one in trainee.evaluations) == (trainee.passed is not None)
        assert len(trainee.evaluations) <= training_class.MAX_EVALUATIONS
