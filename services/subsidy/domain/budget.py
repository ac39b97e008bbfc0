"""Budget line: what the city centre may commit in one year for one programme, CNY.   (B-12, B-35)"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

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


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Budget(msgspec.Struct, frozen=True):
    line: str = ""
    programme: str = ""
    year: int = 0
    amount: Decimal | None = None


def evolve(budget: Budget, event: BudgetSet) -> Budget:
    return Budget(event.line, event.programme, event.year, event.amount)


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class SetBudget(msgspec.Struct, frozen=True):
    """`committed` is what approvals hold against the line now."""

    programme: str
    year: int
    amount: Decimal
    committed: Decimal
    by: str


def decide(command: SetBudget, budget: Budget) -> Decision:
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


def limits(budget: Budget, event: BudgetSet) -> Iterable[LimitChange]:
    return (SetBound(BUDGET, event.line, event.amount),)


def line_of(programme: str, year: int) -> str:
    """The name of a programme's line in one year, such as `training-fee-subsidy/2025`."""
    return f"{programme}/{year}"


def stream_of(line: str) -> str:
    return f"bud_{line}"


BUDGET_LINE: Aggregate[Budget] = Aggregate("bud", (BudgetSet,), Budget, evolve, limits)
