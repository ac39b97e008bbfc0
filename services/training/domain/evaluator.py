"""Evaluator: a body appointed for a term to evaluate trainees and issue certificates.   (沪人社规〔2023〕7号 三(二))"""

import re
from datetime import date
from typing import NewType

import msgspec

from shared.eventstore.decider import Aggregate, Decision, Event, LimitChange, Rejection, Row, Take

EvaluatorId = NewType("EvaluatorId", str)

# -- events: what happened; the names are the storage format -------------------------------------------------------


class EvaluatorAppointed(Event, frozen=True, tag="training.EvaluatorAppointed.v1"):
    """The city appointed an evaluation body, both days included; `code` is what its token names."""

    evaluator_id: EvaluatorId
    code: str
    name: str
    appointed_from: date
    appointed_until: date


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Evaluator(msgspec.Struct, frozen=True):
    """Also the inline row under its code, by which a token finds it."""

    id: EvaluatorId | None = None
    code: str = ""
    name: str = ""
    appointed_from: date = date.min
    appointed_until: date = date.min

    def appointed_on(self, day: date) -> bool:
        return self.appointed_from <= day <= self.appointed_until


def evolve(evaluator: Evaluator, event: EvaluatorAppointed) -> Evaluator:
    return Evaluator(event.evaluator_id, event.code, event.name, event.appointed_from, event.appointed_until)


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class AppointEvaluator(msgspec.Struct, frozen=True):
    evaluator_id: EvaluatorId
    code: str
    name: str
    appointed_from: date
    appointed_until: date
    code_holder: str | None
    mark_holder: str | None


def decide(command: AppointEvaluator, evaluator: Evaluator) -> Decision:
    if command.code_holder is not None:
        return Rejection(
            code="evaluator_exists", detail="这个评价机构代码已登记", extensions={"evaluator_id": command.code_holder}
        )
    if command.mark_holder is not None:
        return Rejection(
            code="mark_taken",
            detail=f"按此代码得出的证书编号简称 {mark(command.code)} 已被另一家评价机构使用，请换一个代码",
            extensions={"evaluator_id": command.mark_holder},
        )
    if command.appointed_until < command.appointed_from:
        return Rejection(code="appointment_period", detail="聘期终止日期不能早于起始日期", status=422)
    return [
        EvaluatorAppointed(
            evaluator_id=command.evaluator_id,
            code=command.code,
            name=command.name,
            appointed_from=command.appointed_from,
            appointed_until=command.appointed_until,
        )
    ]


def mark(code: str) -> str:
    """How an evaluator is named inside certificate numbers: `demo-1` is `D1`; initials of words, numbers in full."""
    return "".join(part if part.isdigit() else part[0].upper() for part in re.findall(r"[a-z]+|[0-9]+", code))


CODE, MARK = "evaluator/code", "evaluator/mark"
EVALUATORS = "evaluator"


def limits(evaluator: Evaluator, event: EvaluatorAppointed) -> tuple[LimitChange, ...]:
    """One evaluator per code, and one per mark: two with the same mark would issue the same numbers."""
    return Take(CODE, event.code), Take(MARK, mark(event.code))


def rows(stream: str, evaluator: Evaluator, event: EvaluatorAppointed) -> tuple[Row, ...]:
    return (Row(EVALUATORS, evaluator.code, evaluator),)


EVALUATOR: Aggregate[Evaluator] = Aggregate("evb", (EvaluatorAppointed,), Evaluator, evolve, limits, rows)
