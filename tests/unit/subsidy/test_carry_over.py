"""A line's year ends and begins: claims that waited go on, and unpaid commitments are carried by two persons."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from services.subsidy.domain.budget import (
    BUDGET_LINE,
    BeginYear,
    BudgetSet,
    BudgetYearBegun,
    CarryOverConfirmed,
    CarryOverProposed,
    ConfirmCarryOver,
    ProposeCarryOver,
    decide,
    line_before,
)
from services.subsidy.domain.claim import BUDGET, CLAIM
from services.subsidy.domain.claim_decisions import decide as decide_claim
from services.subsidy.domain.claim_events import CommitmentCarried, HoldLifted
from services.subsidy.domain.claim_payment import CarryCommitment, FreeForBudget
from services.subsidy.processes.budget_processes import YEARS
from shared.eventstore.decider import Use
from shared.eventstore.process import SetTimer
from shared.eventstore.record import Actor, Record, tag_of
from shared.testing.spec import given
from shared.values.clocks import SHANGHAI
from shared.values.ids import uuid7
from tests.unit.subsidy.samples import AMOUNT, LINE, PASTS, TODAY, held

NEXT = "training-fee-subsidy/2026"
NEW_YEAR = date(2026, 1, 5)
SET = BudgetSet(LINE, "training-fee-subsidy", 2025, Decimal("10000.00"), "usr_1")
PROPOSED = CarryOverProposed(LINE, NEXT, "usr_1", NEW_YEAR)
CONFIRMED = CarryOverConfirmed(LINE, NEXT, "usr_2", NEW_YEAR)


def confirm(by: str = "usr_2", next_amount: str | None = "5000.00") -> ConfirmCarryOver:
    return ConfirmCarryOver(by, NEW_YEAR, None if next_amount is None else Decimal(next_amount))


@pytest.mark.clause("B-12")
def test_a_carry_over_is_proposed_after_the_year_and_confirmed_by_another() -> None:
    given(BUDGET_LINE, SET).when(decide, ProposeCarryOver("usr_1", date(2025, 12, 31))).then_rejected("year_not_over")
    given(BUDGET_LINE, SET).when(decide, ProposeCarryOver("usr_1", NEW_YEAR)).then(PROPOSED)
    given(BUDGET_LINE, SET).when(decide, confirm()).then_rejected("not_proposed")
    given(BUDGET_LINE, SET, PROPOSED).when(decide, confirm("usr_1")).then_rejected("second_person_required", 403)
    given(BUDGET_LINE, SET, PROPOSED).when(decide, confirm(next_amount=None)).then_rejected("next_budget_unset")
    assert given(BUDGET_LINE, SET, PROPOSED).when(decide, confirm()).then(CONFIRMED).carried_to == NEXT
    given(BUDGET_LINE, SET, PROPOSED, CONFIRMED).when(decide, confirm("usr_3")).then_rejected("already_carried")
    given(BUDGET_LINE).when(decide, ProposeCarryOver("usr_1", NEW_YEAR)).then_rejected("not_found", 404)


@pytest.mark.clause("B-12")
@pytest.mark.parametrize("state", ["approved", "in_public_notice", "payable", "payment_returned"])
def test_an_unpaid_commitment_moves_as_a_whole_and_no_cent_is_on_both_lines(state: str) -> None:
    event = CommitmentCarried(LINE, NEXT, AMOUNT, NEW_YEAR)
    before = CLAIM.fold(PASTS[state])
    after = given(CLAIM, *PASTS[state]).when(decide_claim, CarryCommitment(LINE, NEXT, NEW_YEAR, fits=True)).then(event)
    assert (after.budget_line, after.carried_from, after.status) == (NEXT, (LINE,), before.status)
    assert CLAIM.limits(before, event) == (Use(BUDGET, LINE, -AMOUNT), Use(BUDGET, NEXT, AMOUNT))


@pytest.mark.clause("B-12")
@pytest.mark.parametrize("state", ["payable, reserved", "payment_ordered", "payment_unknown", "paid", "recovered"])
def test_what_is_paid_or_on_its_way_stays_on_its_line(state: str) -> None:
    given(CLAIM, *PASTS[state]).when(decide_claim, CarryCommitment(LINE, NEXT, NEW_YEAR, fits=True)).then_nothing()


@pytest.mark.clause("B-12")
def test_what_the_next_line_has_no_room_for_stays_and_says_so() -> None:
    command = CarryCommitment(LINE, NEXT, NEW_YEAR, fits=False)
    given(CLAIM, *PASTS["approved"]).when(decide_claim, command).then_rejected("budget_exhausted")


@pytest.mark.clause("B-12")
def test_a_claim_that_waited_for_the_budget_goes_on_when_there_is_room_and_people_approve_it() -> None:
    waiting = (*PASTS["under_review"], held("budget"))
    given(CLAIM, *waiting).when(decide_claim, FreeForBudget(fits=False)).then_nothing()
    claim = given(CLAIM, *waiting).when(decide_claim, FreeForBudget(fits=True)).then(HoldLifted("budget"))
    assert (claim.status, claim.holds, claim.approver) == ("under_review", (), None)


@pytest.mark.clause("B-12")
def test_a_line_s_year_begins_once_on_its_first_day_whatever_day_it_was_set() -> None:
    given(BUDGET_LINE, SET).when(decide, BeginYear(date(2024, 12, 31))).then_nothing()
    begun = BudgetYearBegun(LINE, date(2025, 1, 1))
    given(BUDGET_LINE, SET).when(decide, BeginYear(date(2025, 1, 1))).then(begun)
    given(BUDGET_LINE, SET, begun).when(decide, BeginYear(TODAY)).then_nothing()
    [timer] = YEARS.react(record(SET))
    assert isinstance(timer, SetTimer)
    assert timer.due_at == datetime(2025, 1, 1, tzinfo=SHANGHAI)
    assert line_before(NEXT) == LINE


def record(event: Any) -> Record:
    now = datetime(2025, 3, 3, tzinfo=UTC)
    return Record(
        id=uuid7(), stream=f"bud_{LINE}", version=1, log_id=uuid7(), type=tag_of(type(event)), recorded_at=now,
        occurred_at=now, actor=Actor("test"), causation_id=None, correlation_id=None, traceparent=None,
        payload=msgspec.Raw(msgspec.json.encode(event)),
    )  # fmt: skip
