"""Money: a budget line that is never overdrawn, and batches that one makes and another releases."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given as every
from hypothesis import strategies as st

from services.subsidy.domain.budget import BUDGET_LINE, BudgetSet, SetBudget, line_of, stream_of
from services.subsidy.domain.budget import decide as decide_budget
from services.subsidy.domain.claim import BUDGET
from services.subsidy.domain.payment_batch import (
    MOST_ITEMS,
    PAYMENT_BATCH,
    Item,
    MakeBatch,
    PaymentBatchMade,
    PaymentBatchReleased,
    ReleaseBatch,
    decide,
)
from shared.eventstore.decider import SetBound
from shared.testing.spec import given
from shared.values.ids import ClaimId, PaymentBatchId
from tests.unit.subsidy.samples import LINE

TODAY = date(2025, 3, 3)
BATCH = PaymentBatchId("pay_1")


def budget(amount: str, committed: str = "0.00") -> SetBudget:
    return SetBudget("training-fee-subsidy", 2025, Decimal(amount), Decimal(committed), "usr_1")


def budget_set(amount: str) -> BudgetSet:
    return BudgetSet(LINE, "training-fee-subsidy", 2025, Decimal(amount), "usr_1")


@pytest.mark.clause("B-12")
def test_a_line_is_one_programmes_money_in_one_year_and_bounds_what_is_committed() -> None:
    line = given(BUDGET_LINE).when(decide_budget, budget("1000000.00")).then(budget_set("1000000.00"))
    assert (line.line, line.amount) == (LINE, Decimal("1000000.00"))
    assert line_of("training-fee-subsidy", 2025) == LINE
    assert stream_of(LINE) == "bud_training-fee-subsidy/2025"
    assert BUDGET_LINE.limits(line, budget_set("5.00")) == (SetBound(BUDGET, LINE, Decimal("5.00")),)


@pytest.mark.clause("B-12")
@pytest.mark.clause("B-35")
@pytest.mark.parametrize(("amount", "accepted"), [("5400.00", True), ("5399.99", False), ("0.00", False)])
def test_a_line_never_falls_below_what_is_committed(amount: str, accepted: bool) -> None:
    outcome = given(BUDGET_LINE, budget_set("10000.00")).when(decide_budget, budget(amount, "5400.00"))
    if accepted:
        outcome.then(budget_set(amount))
    else:
        assert outcome.then_rejected("budget_below_commitments").extensions == {"committed": "5400.00"}


def test_the_same_amount_again_is_nothing_new() -> None:
    given(BUDGET_LINE, budget_set("10000.00")).when(decide_budget, budget("10000.00")).then_nothing()


# -- payment batches -------------------------------------------------------------------------------------------------


def item(number: int, amount: str = "1800.00") -> Item:
    return Item(ClaimId(f"clm_{number}"), Decimal(amount))


ITEMS = (item(1), item(2, "1800.01"))
MADE = PaymentBatchMade(BATCH, ITEMS, 2, Decimal("3600.01"), "usr_maker")
RELEASE = ReleaseBatch("usr_releaser", TODAY, (ClaimId("clm_2"),))
RELEASED = PaymentBatchReleased(BATCH, "usr_releaser", TODAY, (ClaimId("clm_2"),))


@pytest.mark.clause("B-35")
def test_a_batch_declares_how_many_it_pays_and_the_exact_total() -> None:
    batch = given(PAYMENT_BATCH).when(decide, MakeBatch(BATCH, ITEMS, "usr_maker")).then(MADE)
    assert (batch.status, batch.total) == ("made", Decimal("3600.01"))


@pytest.mark.clause("B-35")
@every(st.lists(st.decimals(Decimal("0.01"), Decimal("99999.99"), places=2), min_size=1, max_size=MOST_ITEMS))
def test_the_total_is_the_sum_to_the_cent(amounts: list[Decimal]) -> None:
    items = tuple(Item(ClaimId(f"clm_{n}"), amount) for n, amount in enumerate(amounts))
    [made] = given(PAYMENT_BATCH).when(decide, MakeBatch(BATCH, items, "usr_maker")).decision  # type: ignore[misc]
    assert isinstance(made, PaymentBatchMade)
    assert made.total * 100 == sum(int(amount * 100) for amount in amounts)
    assert made.count == len(amounts)


@pytest.mark.parametrize("size", [0, MOST_ITEMS + 1])
def test_a_batch_is_neither_empty_nor_endless(size: int) -> None:
    command = MakeBatch(BATCH, tuple(item(n) for n in range(size)), "usr_maker")
    given(PAYMENT_BATCH).when(decide, command).then_rejected("batch_size", 422)


@pytest.mark.clause("B-35")
def test_a_second_person_releases_and_what_was_held_is_named_as_dropped() -> None:
    batch = given(PAYMENT_BATCH, MADE).when(decide, RELEASE).then(RELEASED)
    assert (batch.status, batch.dropped) == ("released", (ClaimId("clm_2"),))


def test_the_maker_does_not_release() -> None:
    command = ReleaseBatch("usr_maker", TODAY, ())
    given(PAYMENT_BATCH, MADE).when(decide, command).then_rejected("second_person_required", 403)


def test_a_batch_is_released_once() -> None:
    given(PAYMENT_BATCH, MADE, RELEASED).when(decide, RELEASE).then_rejected("already_released")


def test_an_unknown_batch_is_not_released() -> None:
    given(PAYMENT_BATCH).when(decide, RELEASE).then_rejected("not_found", 404)
