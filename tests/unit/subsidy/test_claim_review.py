"""Claim: correction, the payee, review and approval, hour by hour.   (B-10, B-12, B-17)"""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest

from services.subsidy.domain.claim import BUDGET, CLAIM
from services.subsidy.domain.claim_decisions import (
    CorrectClaim,
    HoldClaim,
    LiftHold,
    RecordPayeeCheck,
    RequestCorrection,
    decide,
    screened,
)
from services.subsidy.domain.claim_events import (
    ClaimApproved,
    ClaimCorrected,
    ClaimHeld,
    CorrectionRequested,
    HoldLifted,
    HoldReason,
    PayeeChecked,
    PaymentDropped,
    PaymentOrdered,
)
from services.subsidy.domain.claim_payment import (
    OrderPayment,
    ReservePayment,
)
from shared.eventstore.decider import Event, Use
from shared.testing.spec import given
from tests.unit.subsidy.samples import (
    AMOUNT,
    APPROVED,
    APPROVER,
    ASK,
    ASKED,
    BATCH,
    CHECKED,
    CORRECTED,
    ENDED,
    LINE,
    NOTICED,
    NOTICING,
    PASTS,
    POLICY,
    REJECTED,
    RESERVED,
    REVIEWED,
    REVIEWER,
    SCREENED,
    SUBMITTED,
    TODAY,
    approval,
    facts,
    held,
    payee,
    policy,
    without,
)

# -- correction ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("today", "due_on"),
    [
        (date(2025, 3, 3), date(2025, 3, 10)),
        (date(2025, 4, 3), date(2025, 4, 11)),
        (date(2025, 4, 30), date(2025, 5, 12)),
        (date(2025, 9, 30), date(2025, 10, 14)),
    ],
    ids=["a plain week", "over 清明节", "over 劳动节", "over 国庆节 with a Saturday worked"],
)
def test_a_correction_is_due_in_five_working_days(today: date, due_on: date) -> None:
    asked = CorrectionRequested(REVIEWER, ("收款账户",), due_on)
    command = RequestCorrection(REVIEWER, ("收款账户",), today, 5)
    given(CLAIM, SUBMITTED, SCREENED).when(decide, command).then(asked)


def test_everything_missing_is_asked_for_once() -> None:
    given(CLAIM, SUBMITTED, SCREENED, ASKED, CORRECTED).when(decide, ASK).then_rejected("correction_once")


def test_a_correction_counts_through_its_last_day() -> None:
    for late, accepted in ((0, True), (1, False)):
        command = CorrectClaim(payee(b"another"), ASKED.due_on + timedelta(days=late))
        outcome = given(CLAIM, SUBMITTED, SCREENED, ASKED).when(decide, command)
        if accepted:
            outcome.then(ClaimCorrected(payee(b"another"), ASKED.due_on))
        else:
            outcome.then_rejected("correction_late")


def test_a_corrected_account_is_asked_about_again_and_the_old_answer_counts_no_more() -> None:
    claim = CLAIM.fold([SUBMITTED, SCREENED, CHECKED, ASKED, CORRECTED])
    assert (claim.status, claim.payee_accounts, claim.correction_due) == ("submitted", 2, None)
    [result] = [result for result in claim.screening if result.rule == "payee"]
    assert result.passed is None


# -- the payee -------------------------------------------------------------------------------------------------------


@pytest.mark.clause("B-19")
@pytest.mark.parametrize("matches", [True, False])
def test_registrys_answer_decides_the_payee_rule(matches: bool) -> None:
    claim = (
        given(CLAIM, SUBMITTED, SCREENED)
        .when(decide, RecordPayeeCheck(matches, 1))
        .then(PayeeChecked(matches=matches, account=1))
    )
    [result] = [result for result in claim.screening if result.rule == "payee"]
    assert (result.passed, result.facts) == (matches, {"holder_is_claimant": matches})


@pytest.mark.clause("B-19")
def test_an_answer_about_a_former_account_changes_nothing() -> None:
    past = (SUBMITTED, SCREENED, ASKED, CORRECTED)
    given(CLAIM, *past).when(decide, RecordPayeeCheck(True, 1)).then_nothing()
    given(CLAIM, *past).when(decide, RecordPayeeCheck(True, 2)).then(PayeeChecked(matches=True, account=2))


# -- review and approval ---------------------------------------------------------------------------------------------

UNDER_REVIEW: tuple[Event, ...] = PASTS["under_review"]


@pytest.mark.clause("B-12")
@pytest.mark.clause("B-17")
def test_a_second_person_approves_and_the_amount_is_committed_against_the_years_line() -> None:
    claim = given(CLAIM, *UNDER_REVIEW).when(decide, approval()).then(APPROVED)
    assert (claim.status, claim.budget_line, claim.approver) == ("approved", LINE, APPROVER)


def test_the_reviewer_does_not_approve() -> None:
    command = approval(approver=REVIEWER)
    given(CLAIM, *UNDER_REVIEW).when(decide, command).then_rejected("second_person_required", 403)


@pytest.mark.clause("B-19")
def test_approval_waits_until_every_rule_is_decided() -> None:
    pending = given(CLAIM, SUBMITTED, SCREENED, REVIEWED).when(decide, approval()).then_rejected("screening_pending")
    assert pending.extensions == {"rule": "payee"}


@pytest.mark.clause("B-19")
def test_an_account_in_another_name_is_not_approved() -> None:
    past = (SUBMITTED, SCREENED, PayeeChecked(matches=False, account=1), REVIEWED)
    failed = given(CLAIM, *past).when(decide, approval()).then_rejected("screening_failed")
    assert failed.extensions == {"rule": "payee"}


@pytest.mark.clause("B-10")
@pytest.mark.parametrize(
    ("now", "rule"),
    [
        ({"certificate_revoked_on": TODAY}, "certificate"),
        ({"organisation_area": "320500"}, "organisation_local"),
        ({"roles": ()}, "role"),
        ({"submitted_on": date(2026, 1, 11)}, "window"),
        ({"organisation_registered_on": date(2021, 1, 1)}, "organisation_age"),
    ],
)
def test_what_money_depends_on_is_judged_again_by_the_facts_of_the_day(now: dict[str, Any], rule: str) -> None:
    failed = given(CLAIM, *UNDER_REVIEW).when(decide, approval(facts=facts(**now))).then_rejected("screening_failed")
    assert failed.extensions == {"rule": rule}


@pytest.mark.clause("B-14")
def test_a_claim_without_a_place_is_not_approved() -> None:
    past = (SUBMITTED, screened(POLICY, facts(places_held=3), TODAY), CHECKED, REVIEWED)
    failed = given(CLAIM, *past).when(decide, approval()).then_rejected("screening_failed")
    assert failed.extensions == {"rule": "limit"}


@pytest.mark.clause("B-14")
def test_a_version_without_a_limit_does_not_approve_without_a_place() -> None:
    unlimited = without("limit")
    past = (SUBMITTED, screened(unlimited, facts(), TODAY), CHECKED, REVIEWED)
    given(CLAIM, *past).when(decide, approval(policy=unlimited)).then_rejected("screening_failed")


@pytest.mark.clause("B-12")
def test_a_claim_that_finds_the_budget_exhausted_waits_for_the_next_line_and_is_not_refused() -> None:
    poor = approval(budget_left=AMOUNT - Decimal("0.01"))
    waiting = ClaimHeld("budget", TODAY, "下一年度预算")
    claim = given(CLAIM, *UNDER_REVIEW).when(decide, poor).then(waiting)
    assert (claim.status, claim.budget_line) == ("under_review", None)
    given(CLAIM, *UNDER_REVIEW, waiting).when(decide, poor).then_rejected("wrong_state")
    claim = (
        given(CLAIM, *UNDER_REVIEW, waiting)
        .when(decide, approval(budget_left=AMOUNT))
        .then(HoldLifted("budget"), APPROVED)
    )
    assert claim.holds == ()


@pytest.mark.parametrize("reason", ["policy", "certificate_revoked", "death", "deregistration"])
def test_a_hold_blocks_approval(reason: HoldReason) -> None:
    rejection = given(CLAIM, *UNDER_REVIEW, held(reason)).when(decide, approval()).then_rejected("wrong_state")
    assert rejection.extensions["holds"] == [reason]


REASONS = get_args(HoldReason)


@pytest.mark.parametrize("reason", REASONS)
def test_any_hold_blocks_the_notice(reason: HoldReason) -> None:
    given(CLAIM, *PASTS["approved"], held(reason)).when(decide, NOTICING).then_rejected("wrong_state")


@pytest.mark.clause("B-18")
@pytest.mark.parametrize("reason", REASONS)
def test_any_hold_blocks_the_payment(reason: HoldReason) -> None:
    given(CLAIM, *PASTS["payable"], held(reason)).when(decide, ReservePayment(BATCH)).then_rejected("wrong_state")
    given(CLAIM, *PASTS["payable, reserved"], held(reason)).when(decide, OrderPayment(BATCH, TODAY)).then(
        PaymentDropped(BATCH)
    )


def test_a_hold_is_set_once_and_lifted_once() -> None:
    past = PASTS["submitted"]
    given(CLAIM, *past, held("death")).when(decide, HoldClaim("death", TODAY, "另一人")).then_nothing()
    claim = (
        given(CLAIM, *past, held("death"), held("objection")).when(decide, LiftHold("death")).then(HoldLifted("death"))
    )
    assert [hold.reason for hold in claim.holds] == ["objection"]


@pytest.mark.clause("B-01")
def test_the_version_that_approves_is_the_one_whose_amount_is_committed_paid_and_given_back() -> None:
    newer = policy("2026-confirmed", amount=Decimal("2000.00"))
    approved = ClaimApproved(APPROVER, "2026-confirmed", Decimal("2000.00"), LINE, TODAY, APPROVED.due_on)
    [judged, decided] = given(CLAIM, *UNDER_REVIEW).when(decide, approval(policy=newer)).decision  # type: ignore[misc]
    assert (judged.policy_version, decided) == ("2026-confirmed", approved)  # type: ignore[union-attr]
    claim = CLAIM.fold([*UNDER_REVIEW, judged, decided])
    assert (claim.policy_version, claim.amount) == ("2026-confirmed", Decimal("2000.00"))
    assert list(CLAIM.limits(CLAIM.fold(UNDER_REVIEW), approved)) == [Use(BUDGET, LINE, Decimal("2000.00"))]
    assert Use(BUDGET, LINE, Decimal("-2000.00")) in list(CLAIM.limits(claim, REJECTED))
    past = (*UNDER_REVIEW, approved, NOTICED, ENDED, RESERVED)
    given(CLAIM, *past).when(decide, OrderPayment(BATCH, TODAY)).then(PaymentOrdered(BATCH, 1, Decimal("2000.00")))


@pytest.mark.clause("B-01")
def test_the_version_that_approves_is_the_one_whose_rules_are_judged() -> None:
    fewer = without("role")
    no_role = facts(roles=())
    judged, decided = given(CLAIM, *UNDER_REVIEW).when(decide, approval(policy=fewer, facts=no_role)).decision  # type: ignore[misc]
    assert decided == ClaimApproved(APPROVER, "without-role", AMOUNT, LINE, TODAY, APPROVED.due_on)
    assert judged.facts == no_role  # type: ignore[union-attr]
    past = (SUBMITTED, screened(fewer, facts(), TODAY), CHECKED, REVIEWED)
    failed = given(CLAIM, *past).when(decide, approval(facts=no_role)).then_rejected("screening_failed")
    assert failed.extensions == {"rule": "role"}
