"""What stands in the way of money is asked again at every step that leads to it, whatever was true before."""

import pytest

from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_decisions import decide
from services.subsidy.domain.claim_events import ClaimHeld, HoldReason, PaymentDropped
from services.subsidy.domain.claim_payment import WAITS_FOR_DISTRICT, OrderPayment
from shared.testing.spec import given
from tests.unit.subsidy.samples import BATCH, PASTS, SCREENED, SUBMITTED, TODAY, approval, submit

BLOCKS: tuple[HoldReason, ...] = ("certificate_revoked", "death", "deregistration")


def held(reason: HoldReason) -> ClaimHeld:
    return ClaimHeld(reason, TODAY, WAITS_FOR_DISTRICT)


@pytest.mark.parametrize("reason", BLOCKS)
def test_a_claim_that_is_blocked_when_it_is_submitted_waits(reason: HoldReason) -> None:
    given(CLAIM).when(decide, submit(blocked=(reason,))).then(SUBMITTED, SCREENED, held(reason))


@pytest.mark.clause("B-32")
@pytest.mark.parametrize("reason", BLOCKS)
def test_a_claim_that_is_blocked_is_held_instead_of_approved(reason: HoldReason) -> None:
    past = PASTS["under_review"]
    given(CLAIM, *past).when(decide, approval(blocked=(reason,))).then(held(reason))
    given(CLAIM, *past, held(reason)).when(decide, approval(blocked=(reason,))).then_rejected("wrong_state")


@pytest.mark.clause("B-32")
@pytest.mark.parametrize("reason", BLOCKS)
def test_a_claim_that_is_blocked_at_release_is_held_and_left_out(reason: HoldReason) -> None:
    order = OrderPayment(BATCH, TODAY, (reason,))
    past = PASTS["payable, reserved"]
    given(CLAIM, *past).when(decide, order).then(held(reason), PaymentDropped(BATCH))
    given(CLAIM, *past, held(reason)).when(decide, order).then(PaymentDropped(BATCH))
