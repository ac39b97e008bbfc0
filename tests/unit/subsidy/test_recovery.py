"""Money claimed back: two persons begin it, instalments are exact, and it ends when all has come or two give up."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given as every
from hypothesis import settings
from hypothesis import strategies as st

from services.subsidy.domain.claim import CLAIM, PERSON_PLACES
from services.subsidy.domain.claim_decisions import decide as decide_claim
from services.subsidy.domain.claim_events import ClaimRecovered, PaymentReturned, RecoveryWaived
from services.subsidy.domain.claim_payment import EndRecovery, RecoverClaim, ReservePayment, SettlePayment
from services.subsidy.domain.recovery import (
    RECOVERY,
    ConfirmRecovery,
    DismissRecovery,
    InstalmentReceived,
    ProposeRecovery,
    ReceiveInstalment,
    RecoveryConfirmed,
    RecoveryDismissed,
    RecoveryProposed,
    RecoverySettled,
    RecoverySuggested,
    RecoveryWrittenOff,
    SuggestRecovery,
    WriteOffProposed,
    WriteOffRecovery,
    decide,
    recovery_of,
)
from shared.eventstore.decider import ReleasePlace
from shared.testing.spec import given
from tests.unit.subsidy.samples import (
    AMOUNT,
    BATCH,
    CLAIM_ID,
    LINE,
    PASTS,
    PERSON,
    RECOVERING,
    TODAY,
)
from tests.unit.subsidy.samples import (
    RECOVERY as ID,
)

MAKER, RELEASER = "usr_maker", "usr_releaser"
SUGGESTED = RecoverySuggested(ID, CLAIM_ID, PERSON, AMOUNT, "certificate_revoked", "SH2025-D1-000001", TODAY)
PROPOSED = RecoveryProposed(ID, CLAIM_ID, PERSON, AMOUNT, "certificate_revoked", "文-1", MAKER, TODAY)
CONFIRMED = RecoveryConfirmed(RELEASER, TODAY)
OPEN = (PROPOSED, CONFIRMED)


def came(amount: str, reference: str = "B-1") -> InstalmentReceived:
    return InstalmentReceived(Decimal(amount), reference, LINE, TODAY, MAKER)


def receive(amount: str, reference: str = "B-1", on: date = TODAY) -> ReceiveInstalment:
    return ReceiveInstalment(Decimal(amount), reference, LINE, on, MAKER)


@pytest.mark.clause("B-32")
def test_what_a_revocation_suggests_is_taken_on_by_one_person_and_confirmed_by_another() -> None:
    given(RECOVERY).when(decide, SuggestRecovery(SUGGESTED)).then(SUGGESTED)
    given(RECOVERY, SUGGESTED).when(decide, SuggestRecovery(SUGGESTED)).then_nothing()
    given(RECOVERY, SUGGESTED).when(decide, ConfirmRecovery(RELEASER, TODAY)).then_rejected("wrong_state")
    given(RECOVERY, SUGGESTED).when(decide, ProposeRecovery(PROPOSED)).then(PROPOSED)
    given(RECOVERY, PROPOSED).when(decide, ConfirmRecovery(MAKER, TODAY)).then_rejected("second_person_required", 403)
    assert given(RECOVERY, PROPOSED).when(decide, ConfirmRecovery(RELEASER, TODAY)).then(CONFIRMED).owed == AMOUNT


@pytest.mark.clause("B-32")
@pytest.mark.parametrize("past", [(SUGGESTED,), (PROPOSED,)])
def test_a_person_may_also_decide_that_nothing_is_claimed_back(past: tuple[Any, ...]) -> None:
    dismissed = RecoveryDismissed(RELEASER, "文-2", TODAY)
    given(RECOVERY, *past).when(decide, DismissRecovery(RELEASER, "文-2", TODAY)).then(dismissed)
    given(RECOVERY, *OPEN).when(decide, DismissRecovery(RELEASER, "文-2", TODAY)).then_rejected("wrong_state")
    given(RECOVERY, *past, dismissed).when(decide, ProposeRecovery(PROPOSED)).then(PROPOSED)


@pytest.mark.clause("B-35")
def test_instalments_are_taken_to_the_cent_and_the_last_one_settles() -> None:
    part = given(RECOVERY, *OPEN).when(decide, receive("600.01")).then(came("600.01"))
    assert (part.received, part.owed) == (Decimal("600.01"), Decimal("1199.99"))
    past = (*OPEN, came("600.01"))
    given(RECOVERY, *past).when(decide, receive("1199.99", "B-2")).then(came("1199.99", "B-2"), RecoverySettled(TODAY))


@pytest.mark.clause("B-35")
def test_the_same_receipt_twice_counts_once_and_more_than_is_owed_is_not_taken() -> None:
    past = (*OPEN, came("600.00"))
    given(RECOVERY, *past).when(decide, receive("600.00")).then_nothing()
    given(RECOVERY, *past).when(decide, receive("600.01")).then_rejected("reference_used")
    assert given(RECOVERY, *past).when(decide, receive("1200.01", "B-2")).then_rejected(
        "more_than_owed"
    ).extensions == {"owed": "1200.00"}
    given(RECOVERY, *past).when(decide, receive("0.00", "B-2")).then_rejected("more_than_owed")
    given(RECOVERY, PROPOSED).when(decide, receive("1.00")).then_rejected("wrong_state")


@pytest.mark.clause("B-35")
def test_two_persons_give_up_what_has_not_come_and_a_receipt_meanwhile_asks_them_again() -> None:
    past = (*OPEN, came("600.00"))
    give_up = WriteOffRecovery("文-3", MAKER, TODAY)
    proposed = WriteOffProposed("文-3", MAKER)
    given(RECOVERY, *past).when(decide, give_up).then(proposed)
    given(RECOVERY, *past, proposed).when(decide, give_up).then_rejected("second_person_required", 403)
    second = WriteOffRecovery("文-3", RELEASER, TODAY)
    ended = (
        given(RECOVERY, *past, proposed)
        .when(decide, second)
        .then(RecoveryWrittenOff(Decimal("1200.00"), "文-3", RELEASER, TODAY))
    )
    assert (ended.status, ended.owed) == ("waived", Decimal(0))
    given(RECOVERY, *past, proposed, came("1.00", "B-2")).when(decide, second).then(WriteOffProposed("文-3", RELEASER))


@pytest.mark.clause("B-35")
@settings(max_examples=200, deadline=None)
@every(st.lists(st.tuples(st.integers(1, 70_000), st.integers(1, 8)), max_size=20))
def test_whatever_receipts_come_what_was_received_and_what_is_owed_make_the_amount(
    receipts: list[tuple[int, int]],
) -> None:
    past: list[Any] = list(OPEN)
    for cents, reference in receipts:
        decision = decide(receive(str(Decimal(cents) / 100), f"B-{reference}"), RECOVERY.fold(past))
        past += decision if isinstance(decision, list) else []
        recovery = RECOVERY.fold(past)
        assert recovery.received + recovery.owed == AMOUNT
        assert recovery.owed >= 0
        assert (recovery.status == "settled") == (recovery.owed == 0)


# -- what becomes of the claim ----------------------------------------------------------------------------------------


@pytest.mark.clause("B-14")
@pytest.mark.parametrize("frees", [True, False])
def test_a_recovered_claim_gives_its_place_back_only_if_its_version_says_so_and_its_certificate_never(
    frees: bool,
) -> None:
    past = PASTS["recovering"]
    event = ClaimRecovered(ID, frees, TODAY)
    claim = given(CLAIM, *past).when(decide_claim, EndRecovery(ID, True, frees, TODAY)).then(event)
    assert (claim.status, claim.holds_place) == ("recovered", not frees)
    given_back = list(CLAIM.limits(CLAIM.fold(past), event))
    assert given_back == ([ReleasePlace(PERSON_PLACES, "per_1/training-fee-subsidy", 3)] if frees else [])


@pytest.mark.clause("B-19")
def test_a_claim_that_is_claimed_back_is_paid_neither_again_nor_back_by_the_bank() -> None:
    returned = SettlePayment(BATCH, "returned", "账户已销户", TODAY)
    for state in ("recovering", "recovered"):
        given(CLAIM, *PASTS[state]).when(decide_claim, ReservePayment(BATCH)).then_rejected("wrong_state")
        given(CLAIM, *PASTS[state]).when(decide_claim, returned).then_rejected("recovery_open")
    back = PaymentReturned(BATCH, "账户已销户", TODAY)
    given(CLAIM, *PASTS["paid"], back).when(decide_claim, RecoverClaim(ID, TODAY)).then_rejected("wrong_state")


def test_what_was_given_up_leaves_the_claim_paid_and_is_not_claimed_again() -> None:
    waived = RecoveryWaived(ID, TODAY)
    claim = given(CLAIM, *PASTS["recovering"]).when(decide_claim, EndRecovery(ID, False, True, TODAY)).then(waived)
    assert (claim.status, claim.holds_place) == ("paid", True)
    past = (*PASTS["recovering"], waived)
    given(CLAIM, *past).when(decide_claim, RecoverClaim(ID, TODAY)).then_rejected("wrong_state")


def test_a_claim_has_one_recovery_whoever_opens_it() -> None:
    assert recovery_of("clm_0195c8f0-7a1e-7c3b-9d42-5b6f0e1a2c3d") == "rec_0195c8f0-7a1e-7c3b-9d42-5b6f0e1a2c3d"
    given(CLAIM, *PASTS["paid"]).when(decide_claim, RecoverClaim(ID, TODAY)).then(RECOVERING)
