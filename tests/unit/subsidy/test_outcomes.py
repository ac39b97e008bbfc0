"""How an order ends: a bank's line, a statement, or a document that two persons attest; never by time."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from services.subsidy.domain.bank_results import BankLine, doubled, judge
from services.subsidy.domain.claim import CLAIM, Claim
from services.subsidy.domain.claim_decisions import decide
from services.subsidy.domain.claim_events import ClaimPaid, OutcomeAttested, PaymentReturned
from services.subsidy.domain.claim_payment import AttestOutcome, ReservePayment
from services.subsidy.domain.payment_batch import (
    MOST_IMPORTS,
    PAYMENT_BATCH,
    AskOutcomes,
    ClearLines,
    Import,
    ImportResults,
    Item,
    OutcomesAsked,
    PaymentBatchMade,
    PaymentBatchReleased,
    ResultLinesCleared,
    ResultsImported,
)
from services.subsidy.domain.payment_batch import decide as decide_batch
from services.subsidy.domain.payment_order import MOST_ATTEMPTS, Order, order_id
from shared.testing.spec import given
from shared.values.ids import ClaimId, PaymentBatchId
from tests.unit.subsidy.samples import AMOUNT, BATCH, ORDERED, PAID, PASTS, TODAY, UNKNOWN

ID = ClaimId("clm_0195c8f0-7a1e-7c3b-9d42-5b6f0e1a2c3d")
ELSEWHERE = PaymentBatchId("pay_2")
MAKER, RELEASER = "usr_maker", "usr_releaser"


def attest(outcome: Any = "paid", evidence: Any = "document", by: str = MAKER, document: str = "D-1") -> AttestOutcome:
    return AttestOutcome(BATCH, outcome, "other", TODAY, evidence, document, by)


def attested(outcome: Any = "paid", evidence: Any = "document", by: str = MAKER) -> OutcomeAttested:
    return OutcomeAttested(BATCH, outcome, "other", TODAY, evidence, "D-1", by)


# -- evidence ---------------------------------------------------------------------------------------------------------


@pytest.mark.clause("B-19")
def test_a_document_ends_an_unknown_outcome_when_a_second_person_attests_the_same() -> None:
    past = PASTS["payment_unknown"]
    one = given(CLAIM, *past).when(decide, attest()).then(attested())
    assert one.status == "payment_unknown"
    given(CLAIM, *past, attested()).when(decide, attest()).then_rejected("second_person_required", 403)
    paid = ClaimPaid(BATCH, AMOUNT, TODAY)
    two = given(CLAIM, *past, attested()).when(decide, attest(by=RELEASER)).then(attested(by=RELEASER), paid)
    assert (two.status, two.orders[0].attested) == ("paid", True)


@pytest.mark.clause("B-19")
@pytest.mark.parametrize("other", [attest("returned", by=RELEASER), attest(by=RELEASER, document="D-2")])
def test_two_persons_who_attest_different_things_have_not_attested_anything(other: AttestOutcome) -> None:
    past = (*PASTS["payment_unknown"], attested())
    claim = CLAIM.fold([*past, *given(CLAIM, *past).when(decide, other).decision])  # type: ignore[misc]
    assert claim.status == "payment_unknown"


@pytest.mark.clause("B-19")
@pytest.mark.parametrize("state", ["payment_ordered", "payment_unknown"])
def test_a_bank_s_statement_is_evidence_by_itself(state: str) -> None:
    back = PaymentReturned(BATCH, "其他原因，见银行回单", TODAY)
    event = attested("returned", "statement")
    given(CLAIM, *PASTS[state]).when(decide, attest("returned", "statement")).then(event, back)


@pytest.mark.clause("B-19")
def test_a_line_of_the_bank_ends_what_one_person_has_attested() -> None:
    claim = CLAIM.fold((*PASTS["payment_unknown"], attested("returned"), PAID))
    assert (claim.status, claim.outcome_attested, claim.orders[0].attested) == ("paid", None, False)


def test_no_more_attempts_are_made_than_an_order_s_id_can_count() -> None:
    orders = tuple(Order(n, PaymentBatchId(f"pay_{n}"), AMOUNT, "returned") for n in range(1, MOST_ATTEMPTS + 1))
    many = Claim(submission=CLAIM.fold(PASTS["payable"]).submission, status="payable", orders=orders)
    refused = decide(ReservePayment(BATCH), many)
    assert getattr(refused, "code", None) == "attempts_exhausted"


# -- the lines of a bank's file ---------------------------------------------------------------------------------------


def line(number: int = 1, outcome: Any = "paid", amount: str = "1800.00", id: str = order_id(ID, 1)) -> BankLine:
    return BankLine(number, id, outcome, "account_closed", TODAY, Decimal(amount))


CLAIMS: Mapping[str, Claim] = {ID: CLAIM.fold(PASTS["payment_ordered"])}


@pytest.mark.clause("B-19")
@pytest.mark.clause("B-35")
@pytest.mark.parametrize(
    ("told", "batch", "verdict"),
    [
        (line(), BATCH, "recorded"),
        (line(), ELSEWHERE, "not_in_batch"),
        (line(amount="1800.01"), BATCH, "amount_differs"),
        (line(id="X-1"), BATCH, "not_ours"),
        (line(id=order_id(ID, 2)), BATCH, "not_ours"),
        (line(id=order_id("clm_0195c8f0-7a1e-7c3b-9d42-5b6f0e1a2c3e", 1)), BATCH, "not_ours"),
    ],
)
def test_each_line_is_judged_by_its_own_order(told: BankLine, batch: PaymentBatchId, verdict: str) -> None:
    judged = judge(told, None, batch, CLAIMS)
    assert judged.line.verdict == verdict
    assert bool(judged.events) == (verdict == "recorded")


@pytest.mark.clause("B-19")
def test_what_is_told_again_is_known_and_what_contradicts_is_refused() -> None:
    returned: dict[str, Claim] = {ID: CLAIM.fold(PASTS["payment_returned"])}
    assert judge(line(outcome="returned"), None, BATCH, returned).line.verdict == "already_recorded"
    assert judge(line(), None, BATCH, returned).line.verdict == "wrong_state"
    assert judge(line(outcome="unknown"), None, BATCH, returned).line.verdict == "already_recorded"
    recovering: dict[str, Claim] = {ID: CLAIM.fold(PASTS["recovering"])}
    assert judge(line(outcome="returned"), None, BATCH, recovering).line.verdict == "recovery_open"


@pytest.mark.clause("B-35")
def test_a_file_that_tells_an_order_twice_is_believed_once_and_not_at_all_when_it_differs() -> None:
    assert doubled([line(1), line(2), line(3, id="X-1")]) == {2: "twice"}
    assert doubled([line(1), line(2, "returned")]) == {1: "contradicts_itself", 2: "contradicts_itself"}
    assert not judge(line(2), "twice", BATCH, CLAIMS).events


# -- what the batch keeps of them -------------------------------------------------------------------------------------

MADE = PaymentBatchMade(BATCH, (Item(ID, AMOUNT),), 1, AMOUNT, MAKER)
RELEASED = PaymentBatchReleased(BATCH, RELEASER, TODAY, ())
IMPORT = ImportResults("d1", "csv", (judge(line(), None, BATCH, CLAIMS).line,), MAKER, TODAY)
IMPORTED = ResultsImported(BATCH, "d1", "csv", IMPORT.lines, MAKER, TODAY)


@pytest.mark.clause("B-35")
def test_the_same_file_is_imported_once_and_its_lines_stay_on_record() -> None:
    batch = given(PAYMENT_BATCH, MADE, RELEASED).when(decide_batch, IMPORT).then(IMPORTED)
    assert batch.imports == {"d1": Import(IMPORT.lines, MAKER)}
    given(PAYMENT_BATCH, MADE, RELEASED, IMPORTED).when(decide_batch, IMPORT).then_nothing()


REFUSED = ResultsImported(BATCH, "d2", "csv", (judge(line(2), None, ELSEWHERE, CLAIMS).line,), MAKER, TODAY)
CLEARED = ResultLinesCleared(BATCH, "d2", (2,), "另一批次的回单", "D-7", RELEASER, TODAY)


def clearing(*lines: int, digest: str = "d2", by: str = RELEASER) -> ClearLines:
    return ClearLines(digest, lines, "另一批次的回单", "D-7", by, TODAY)


@pytest.mark.clause("B-35")
def test_a_refused_line_is_explained_by_somebody_else_than_who_imported_it() -> None:
    told = given(PAYMENT_BATCH, MADE, RELEASED, IMPORTED, REFUSED)
    batch = told.when(decide_batch, clearing(2)).then(CLEARED)
    assert batch.imports["d2"].cleared == {2}
    given(PAYMENT_BATCH, MADE, RELEASED, REFUSED, CLEARED).when(decide_batch, clearing(2)).then_nothing()
    told.when(decide_batch, clearing(2, by=MAKER)).then_rejected("second_person_required", 403)
    told.when(decide_batch, clearing(2, 3)).then_rejected("not_refused", 422)
    told.when(decide_batch, clearing(1, digest="d1")).then_rejected("not_refused", 422)
    told.when(decide_batch, clearing(2, digest="d3")).then_rejected("not_found", 404)


@pytest.mark.clause("B-19")
def test_asking_again_is_on_record_and_ends_nothing() -> None:
    asks = AskOutcomes((order_id(ID, 1),), MAKER, date(2026, 3, 3))
    given(PAYMENT_BATCH, MADE).when(decide_batch, asks).then_rejected("not_released")
    asked = OutcomesAsked(BATCH, (order_id(ID, 1),), MAKER, date(2026, 3, 3))
    assert given(PAYMENT_BATCH, MADE, RELEASED).when(decide_batch, asks).then(asked).asked == 1
    many = [asked] * MOST_IMPORTS
    given(PAYMENT_BATCH, MADE, RELEASED, *many).when(decide_batch, asks).then_rejected("too_many_imports")
    given(PAYMENT_BATCH, MADE, RELEASED, *many).when(decide_batch, IMPORT).then_rejected("too_many_imports")


def test_an_order_is_in_flight_until_it_is_known_to_be_paid_or_back() -> None:
    past = PASTS["payable, reserved"]
    states = [CLAIM.fold((*past, ORDERED)), CLAIM.fold((*past, ORDERED, UNKNOWN)), CLAIM.fold((*past, ORDERED, PAID))]
    assert [claim.orders[0].in_flight for claim in states] == [True, True, False]
