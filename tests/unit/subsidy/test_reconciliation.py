"""A reconciliation finds each way in which claims, orders and results can differ, and nothing else."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from services.subsidy.api.reconciliations import as_csv
from services.subsidy.domain.bank_results import JudgedLine
from services.subsidy.domain.claim import CLAIM, Claim
from services.subsidy.domain.claim_events import CommitmentCarried
from services.subsidy.domain.payment_batch import Batch, Import, Item, OrderSent
from services.subsidy.domain.payment_order import order_id
from services.subsidy.domain.reconciliation import Accounts, differences, open_items, reconciliation, totals
from services.subsidy.domain.recovery import Instalment, Recovery
from shared.values.ids import ClaimId
from tests.unit.subsidy.samples import AMOUNT, BATCH, LINE, PASTS, RECOVERY, TODAY

ID = ClaimId("clm_0195c8f0-7a1e-7c3b-9d42-5b6f0e1a2c3d")
ORDER = order_id(ID, 1)
NEXT = "training-fee-subsidy/2026"
TOLD = JudgedLine(1, "recorded", "paid", ORDER, AMOUNT)
SENT = Batch(
    BATCH,
    (Item(ID, AMOUNT),),
    AMOUNT,
    "usr_1",
    "usr_2",
    TODAY,
    (),
    (OrderSent(ORDER, ID, AMOUNT),),
    {"d": Import((TOLD,), "usr_1")},
)


@dataclass
class Case:
    """`accounts` changed so that exactly `found` differ."""

    found: tuple[str, ...]
    state: str = "paid"
    batch: Batch | None = SENT
    changes: dict[str, Any] = field(default_factory=dict)


def accounts(claim: Claim, batch: Batch | None = SENT, **changes: Any) -> Accounts:
    fields: dict[str, Any] = {
        "line": LINE,
        "budget": Decimal("10000.00"),
        "claims": {ID: claim},
        "batches": {} if batch is None else {BATCH: batch},
        "recoveries": {},
        "received": Decimal("0.00"),
        "ledger": AMOUNT,
    }
    return Accounts(**{**fields, **changes})


UNTOLD = replace(SENT, imports={})


def telling(*lines: JudgedLine, cleared: frozenset[int] = frozenset()) -> Batch:
    return replace(SENT, imports={"d": Import(lines, "usr_1", cleared)})


def second(verdict: Any, outcome: Any = "paid") -> JudgedLine:
    return replace(TOLD, line=2, verdict=verdict, outcome=outcome)


CASES = {
    "all agree": Case(()),
    "not known to be complete": Case((), changes={"ledger": None}),
    "in flight": Case((), "payment_ordered", UNTOLD),
    "the ledger": Case(("ledger_differs",), changes={"ledger": AMOUNT - Decimal("0.01")}),
    "the budget": Case(("commitments_exceed_budget",), changes={"budget": Decimal("1799.99")}),
    "no batch": Case(("order_not_in_batch", "result_missing"), batch=None),
    "no order in the batch": Case(
        ("order_not_in_batch",), batch=replace(SENT, orders=(OrderSent(order_id(ID, 2), ID, AMOUNT),))
    ),
    "another amount": Case(("amount_differs",), batch=replace(SENT, orders=(OrderSent(ORDER, ID, AMOUNT + 1),))),
    "no result": Case(("result_missing",), batch=UNTOLD),
    "another result": Case(("result_missing",), batch=telling(replace(TOLD, outcome="returned"))),
    "never ordered": Case(("order_not_in_claim",), "payable", UNTOLD),
    "a line refused": Case(("result_refused",), batch=telling(TOLD, second("wrong_state"))),
    "a line refused and explained": Case((), batch=telling(TOLD, second("wrong_state"), cleared=frozenset({2}))),
    "a line told twice": Case((), batch=telling(TOLD, second("twice"))),
    "a line of another batch, borne out": Case((), batch=telling(TOLD, second("not_in_batch"))),
    "a line of another batch, not borne out": Case(
        ("result_refused",), batch=telling(TOLD, second("not_in_batch", "returned"))
    ),
    "lines at odds of which one was right": Case(
        ("result_refused",),
        batch=telling(TOLD, second("contradicts_itself"), replace(second("contradicts_itself", "returned"), line=3)),
    ),
    "another amount told": Case(("result_refused",), batch=telling(TOLD, second("amount_differs"))),
    "released before batches kept their orders": Case((), batch=replace(SENT, orders=())),
    "left behind at the year's end": Case(("carry_over_left",), "payable", None, {"carried_to": NEXT}),
}


@pytest.mark.clause("B-35")
@pytest.mark.parametrize("name", CASES)
def test_each_difference_is_found_and_named_with_its_ids(name: str) -> None:
    case = CASES[name]
    found = differences(accounts(CLAIM.fold(PASTS[case.state]), case.batch, **case.changes))
    assert tuple(item.difference for item in found) == case.found
    for item in found:
        assert item.claim_id == ID or item.difference in (
            "ledger_differs", "commitments_exceed_budget", "result_refused",
        )  # fmt: skip


@pytest.mark.clause("B-12")
@pytest.mark.clause("B-35")
@pytest.mark.parametrize(
    ("state", "paid", "returned", "in_flight", "unpaid"),
    [
        ("payable", 0, 0, 0, 1),
        ("payment_ordered", 0, 0, 1, 0),
        ("payment_unknown", 0, 0, 1, 0),
        ("payment_returned", 0, 1, 0, 1),
        ("paid", 1, 0, 0, 0),
        ("recovered", 1, 0, 0, 0),
    ],
)
def test_what_is_committed_is_paid_in_flight_or_unpaid(
    state: str, paid: int, returned: int, in_flight: int, unpaid: int
) -> None:
    said = totals(accounts(CLAIM.fold(PASTS[state])))
    assert said.committed == AMOUNT
    assert (said.paid, said.returned, said.in_flight, said.unpaid) == (
        paid * AMOUNT, returned * AMOUNT, in_flight * AMOUNT, unpaid * AMOUNT,
    )  # fmt: skip


@pytest.mark.clause("B-12")
def test_a_carried_commitment_is_on_one_line_and_told_on_both() -> None:
    claim = CLAIM.fold((*PASTS["payable"], CommitmentCarried(LINE, NEXT, AMOUNT, TODAY)))
    from_, to = totals(accounts(claim)), totals(accounts(claim, line=NEXT))
    assert (from_.committed, from_.carried_out, to.committed, to.carried_in) == (
        Decimal(0), AMOUNT, AMOUNT, AMOUNT,
    )  # fmt: skip


@pytest.mark.clause("B-35")
def test_a_rejected_claim_holds_nothing() -> None:
    assert totals(accounts(CLAIM.fold(PASTS["rejected"]))).committed == 0


@pytest.mark.clause("B-35")
def test_what_is_under_way_is_listed_apart_and_what_came_back_beside_what_was_paid() -> None:
    came = Instalment(Decimal("600.00"), "B-1", NEXT, TODAY)
    recovery = Recovery(RECOVERY, ID, AMOUNT, status="recovering", instalments=(came,))
    held = accounts(CLAIM.fold(PASTS["recovering"]), recoveries={RECOVERY: recovery})
    assert [(item.open, item.amount) for item in open_items(held)] == [("recovering", Decimal("1200.00"))]
    assert (totals(held).paid, totals(held).recovered) == (AMOUNT, Decimal("600.00"))
    unsure = open_items(accounts(CLAIM.fold(PASTS["payment_unknown"])))
    assert [(item.open, item.order_id) for item in unsure] == [("unknown", ORDER)]


@pytest.mark.clause("B-35")
def test_the_download_says_what_the_answer_says() -> None:
    case = accounts(CLAIM.fold(PASTS["paid"]), UNTOLD)
    said = reconciliation(case, 7)
    assert (said.complete, said.balanced) == (True, False)
    text = as_csv(said).decode("utf-8-sig")
    assert text.startswith(f"对账,{LINE},日志位置,7,未核平\r\n")
    assert f"result_missing,{ID},{ORDER},{BATCH}" in text
