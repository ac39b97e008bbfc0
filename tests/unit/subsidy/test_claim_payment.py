"""Claim: public notice, objection and payment.   (B-18, B-19)"""

import pytest

from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_decisions import (
    EndNotice,
    LiftHold,
    decide,
)
from services.subsidy.domain.claim_events import (
    ClaimPaid,
    HoldLifted,
    PayeeChecked,
    PaymentDropped,
    PaymentOrdered,
    PaymentReserved,
)
from services.subsidy.domain.claim_payment import (
    OrderPayment,
    ReservePayment,
)
from shared.eventstore.decider import Event
from shared.testing.spec import given
from shared.values.ids import NoticeId
from tests.unit.subsidy.samples import (
    AMOUNT,
    BATCH,
    CORRECT,
    CORRECTED,
    ENDED,
    NOTICE,
    ORDERED,
    OTHER_BATCH,
    PAID,
    PASTS,
    REJECT,
    REJECTED,
    RESERVED,
    RETURNED,
    TODAY,
    UNKNOWN,
    WITHDRAW,
    held,
    settle,
)

# -- notice and objection --------------------------------------------------------------------------------------------


@pytest.mark.clause("B-18")
def test_a_claim_is_payable_when_its_notice_has_ended_clean() -> None:
    claim = given(CLAIM, *PASTS["in_public_notice"]).when(decide, EndNotice(NOTICE)).then(ENDED)
    assert claim.status == "payable"


@pytest.mark.clause("B-18")
def test_an_open_objection_keeps_a_claim_from_payment_until_it_is_settled() -> None:
    objected = (*PASTS["in_public_notice"], held("objection"))
    claim = given(CLAIM, *objected).when(decide, EndNotice(NOTICE)).then(ENDED)
    assert claim.status == "in_public_notice"
    claim = given(CLAIM, *objected, ENDED).when(decide, LiftHold("objection")).then(HoldLifted("objection"))
    assert claim.status == "payable"


@pytest.mark.clause("B-18")
def test_an_objection_settled_before_the_end_does_not_end_the_notice() -> None:
    objected = (*PASTS["in_public_notice"], held("objection"))
    claim = given(CLAIM, *objected).when(decide, LiftHold("objection")).then(HoldLifted("objection"))
    assert claim.status == "in_public_notice"


@pytest.mark.clause("B-18")
def test_an_upheld_objection_disqualifies_and_frees_what_the_claim_held() -> None:
    claim = given(CLAIM, *PASTS["in_public_notice"], held("objection")).when(decide, REJECT).then(REJECTED)
    assert (claim.status, claim.holds, claim.ended) == ("rejected", (), True)


def test_another_notices_end_is_not_this_claims() -> None:
    given(CLAIM, *PASTS["in_public_notice"]).when(decide, EndNotice(NoticeId("ntc_2"))).then_nothing()


# -- payment ---------------------------------------------------------------------------------------------------------


@pytest.mark.clause("B-19")
@pytest.mark.parametrize(
    ("outcome", "event", "status"),
    [("paid", PAID, "paid"), ("returned", RETURNED, "payment_returned"), ("unknown", UNKNOWN, "payment_unknown")],
)
@pytest.mark.parametrize("state", ["payment_ordered", "payment_unknown"])
def test_the_bank_says_how_a_payment_ended(outcome: str, event: Event, status: str, state: str) -> None:
    then = given(CLAIM, *PASTS[state]).when(decide, settle(outcome))
    if (outcome, state) == ("unknown", "payment_unknown"):
        then.then_nothing()
    else:
        assert then.then(event).status == status


@pytest.mark.clause("B-19")
def test_an_unknown_outcome_blocks_another_attempt_and_keeps_its_batch() -> None:
    past = PASTS["payment_unknown"]
    given(CLAIM, *past).when(decide, ReservePayment(OTHER_BATCH)).then_rejected("wrong_state")
    given(CLAIM, *past).when(decide, REJECT).then_rejected("wrong_state")
    given(CLAIM, *past).when(decide, WITHDRAW).then_rejected("wrong_state")
    assert CLAIM.fold(past).batch_id == BATCH


def test_a_result_of_another_batch_is_refused() -> None:
    given(CLAIM, *PASTS["payment_ordered"]).when(decide, settle("paid", OTHER_BATCH)).then_rejected("not_in_batch")


def test_a_result_file_that_comes_twice_pays_once() -> None:
    given(CLAIM, *PASTS["paid"]).when(decide, settle("paid")).then_nothing()
    given(CLAIM, *PASTS["paid"]).when(decide, settle("unknown")).then_nothing()


def test_a_claim_is_in_one_batch_at_a_time() -> None:
    past = PASTS["payable, reserved"]
    given(CLAIM, *past).when(decide, ReservePayment(OTHER_BATCH)).then_rejected("wrong_state")
    given(CLAIM, *past).when(decide, OrderPayment(OTHER_BATCH, TODAY)).then_rejected("wrong_state")
    dropped = (*past, PaymentDropped(BATCH))
    given(CLAIM, *dropped).when(decide, ReservePayment(OTHER_BATCH)).then(PaymentReserved(OTHER_BATCH))


def test_a_reserved_claim_is_neither_rejected_nor_withdrawn_behind_the_banks_back() -> None:
    given(CLAIM, *PASTS["payable, reserved"]).when(decide, REJECT).then_rejected("wrong_state")
    given(CLAIM, *PASTS["payable, reserved"]).when(decide, WITHDRAW).then_rejected("wrong_state")


@pytest.mark.clause("B-19")
def test_a_returned_payment_is_corrected_checked_and_ordered_again_as_the_second_attempt() -> None:
    past: tuple[Event, ...] = (*PASTS["payment_returned"], CORRECTED)
    claim = CLAIM.fold(past)
    assert (claim.status, claim.batch_id, claim.payee_accounts) == ("payable", None, 2)
    again = (*past, PaymentReserved(OTHER_BATCH))
    given(CLAIM, *again).when(decide, OrderPayment(OTHER_BATCH, TODAY)).then(PaymentDropped(OTHER_BATCH))
    checked = (*again, PayeeChecked(matches=True, account=2))
    given(CLAIM, *checked).when(decide, OrderPayment(OTHER_BATCH, TODAY)).then(PaymentOrdered(OTHER_BATCH, 2, AMOUNT))


@pytest.mark.clause("B-19")
@pytest.mark.parametrize("matches", [None, False])
def test_no_money_goes_to_an_account_that_is_not_known_to_be_the_claimants(matches: bool | None) -> None:
    past: tuple[Event, ...] = (*PASTS["payment_returned"], CORRECTED, PaymentReserved(OTHER_BATCH))
    if matches is not None:
        past = (*past, PayeeChecked(matches=matches, account=2))
    given(CLAIM, *past).when(decide, OrderPayment(OTHER_BATCH, TODAY)).then(PaymentDropped(OTHER_BATCH))


@pytest.mark.clause("B-19")
def test_a_corrected_account_that_is_not_the_claimants_either_is_corrected_again_and_is_no_dead_end() -> None:
    refused = (*PASTS["payment_returned"], CORRECTED, PayeeChecked(matches=False, account=2))
    claim = given(CLAIM, *refused).when(decide, CORRECT).then(CORRECTED)
    assert (claim.status, claim.payee_accounts) == ("payable", 3)
    given(CLAIM, *refused, RESERVED).when(decide, CORRECT).then_rejected("wrong_state")
    pending = (*PASTS["payment_returned"], CORRECTED)
    given(CLAIM, *pending).when(decide, CORRECT).then_rejected("wrong_state")


@pytest.mark.clause("B-11")
def test_what_is_paid_is_what_was_ordered() -> None:
    given(CLAIM, *PASTS["payment_ordered"]).when(decide, settle("paid")).then(ClaimPaid(BATCH, ORDERED.amount, TODAY))


def test_a_return_shows_its_reason() -> None:
    assert CLAIM.fold(PASTS["payment_returned"]).reasons == (RETURNED.reason,)
