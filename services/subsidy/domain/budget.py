"""Budget line: what the city centre may commit in one year for one programme, CNY.   (B-12, B-35)"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from services.subsidy.domain.claim import BUDGET
from shared.eventstore.decider import Aggregate, Decision, Event, LimitChange, Rejection, SetBound

# -- events: what happened; the names are the storage format -------------------------------------------------------


class BudgetSet(Event, frozen=True, tag="subsidy.BudgetSet.v1"):
    """The line was opened, or its amount changed; it can never fall below what is committed."""

    line: str
    programme: str
    year: int
    amount: Decimal
    set_by: str


class BudgetYearBegun(Event, frozen=True, tag="subsidy.BudgetYearBegun.v1"):
    """The line's year has begun: approvals are committed against it from now on."""

    line: str
    begun_on: date


class CarryOverProposed(Event, frozen=True, tag="subsidy.CarryOverProposed.v1"):
    """One person proposes to carry what is committed and unpaid to the next year's line."""

    line: str
    to_line: str
    proposed_by: str
    proposed_on: date


class CarryOverConfirmed(Event, frozen=True, tag="subsidy.CarryOverConfirmed.v1"):
    """A second person confirmed it: each unpaid commitment moves, as far as the next line has room."""

    line: str
    to_line: str
    confirmed_by: str
    confirmed_on: date


BudgetEvent = BudgetSet | BudgetYearBegun | CarryOverProposed | CarryOverConfirmed
EVENTS = (BudgetSet, BudgetYearBegun, CarryOverProposed, CarryOverConfirmed)


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Budget(msgspec.Struct, frozen=True):
    line: str = ""
    programme: str = ""
    year: int = 0
    amount: Decimal | None = None
    begun: bool = False
    carry_over_proposed_by: str | None = None
    carried_to: str | None = None


def evolve(budget: Budget, event: BudgetEvent) -> Budget:
    match event:
        case BudgetSet():
            return replace(budget, line=event.line, programme=event.programme, year=event.year, amount=event.amount)
        case BudgetYearBegun():
            return replace(budget, begun=True)
        case CarryOverProposed():
            return replace(budget, carry_over_proposed_by=event.proposed_by)
        case CarryOverConfirmed():
            return replace(budget, carried_to=event.to_line)


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class SetBudget(msgspec.Struct, frozen=True):
    """`committed` is what approvals hold against the line now."""

    programme: str
    year: int
    amount: Decimal
    committed: Decimal
    by: str


class BeginYear(msgspec.Struct, frozen=True):
    """The year may have begun, or not: `today` says."""

    today: date


class ProposeCarryOver(msgspec.Struct, frozen=True):
    by: str
    today: date


class ConfirmCarryOver(msgspec.Struct, frozen=True):
    """`next_amount`: what the next year's line was set to; None while it is not."""

    by: str
    today: date
    next_amount: Decimal | None


BudgetCommand = SetBudget | BeginYear | ProposeCarryOver | ConfirmCarryOver

NOT_FOUND = Rejection(code="not_found", detail="没有找到这个预算", status=404)


def decide(command: BudgetCommand, budget: Budget) -> Decision:
    match command:
        case SetBudget():
            return _set(command, budget)
        case BeginYear(today):
            begins = budget.amount is not None and not budget.begun and today.year >= budget.year
            return [BudgetYearBegun(budget.line, today)] if begins else []
        case _ if budget.amount is None:
            return NOT_FOUND
        case ProposeCarryOver(by, today):
            if budget.carried_to is not None:
                return ALREADY_CARRIED
            if today.year <= budget.year:
                return Rejection(code="year_not_over", detail=f"{budget.year} 年度尚未结束，不能结转")
            return [CarryOverProposed(budget.line, line_of(budget.programme, budget.year + 1), by, today)]
        case ConfirmCarryOver():
            return _confirm(command, budget)


def _set(command: SetBudget, budget: Budget) -> Decision:
    if command.amount < command.committed:
        return Rejection(
            code="budget_below_commitments",
            detail=f"预算不能低于已承诺的 {command.committed} 元",
            extensions={"committed": str(command.committed)},
        )
    if budget.amount == command.amount:
        return []
    line = line_of(command.programme, command.year)
    return [BudgetSet(line, command.programme, command.year, command.amount, command.by)]


ALREADY_CARRIED = Rejection(code="already_carried", detail="这个年度的承诺已结转")


def _confirm(command: ConfirmCarryOver, budget: Budget) -> Decision:
    if budget.carried_to is not None:
        return ALREADY_CARRIED
    if budget.carry_over_proposed_by is None:
        return Rejection(code="not_proposed", detail="结转须先由一人提出")
    if budget.carry_over_proposed_by == command.by:
        return Rejection(code="second_person_required", detail="结转须由提出人以外的另一人确认", status=403)
    if command.next_amount is None:
        return Rejection(code="next_budget_unset", detail="下一年度预算尚未设定，不能结转")
    return [CarryOverConfirmed(budget.line, line_of(budget.programme, budget.year + 1), command.by, command.today)]


def limits(budget: Budget, event: BudgetEvent) -> Iterable[LimitChange]:
    return (SetBound(BUDGET, event.line, event.amount),) if isinstance(event, BudgetSet) else ()


def line_of(programme: str, year: int) -> str:
    """The name of a programme's line in one year, such as `training-fee-subsidy/2025`."""
    return f"{programme}/{year}"


def year_of(line: str) -> int:
    return int(line.rpartition("/")[2])


def line_before(line: str) -> str:
    """The same programme's line of the year before."""
    return line_of(line.rpartition("/")[0], year_of(line) - 1)


def stream_of(line: str) -> str:
    return f"bud_{line}"


BUDGET_LINE: Aggregate[Budget] = Aggregate("bud", EVENTS, Budget, evolve, limits)
