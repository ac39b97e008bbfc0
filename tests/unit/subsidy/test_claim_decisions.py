"""Claims: what may happen in which state, and what never may."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest

from services.subsidy.domain.claim import BUDGET, CERTIFICATE, CLAIM, ENTITLEMENT, PERSON_PLACES
from services.subsidy.domain.claim_decisions import (
    IN_REVIEW,
    AttestEvidence,
    ClaimCommand,
    CorrectClaim,
    EndNotice,
    EscalateClaim,
    HoldClaim,
    LiftHold,
    NoticeClaim,
    RecordPayeeCheck,
    RejectClaim,
    RequestCorrection,
    RescreenClaim,
    ReviewClaim,
    SubmitClaim,
    WithdrawClaim,
    decide,
    screened,
)
from services.subsidy.domain.claim_events import (
    ClaimApproved,
    ClaimCorrected,
    ClaimHeld,
    ClaimPaid,
    CorrectionRequested,
    HoldLifted,
    HoldReason,
    PayeeChecked,
    PaymentDropped,
    PaymentOrdered,
    PaymentReserved,
    Status,
)
from services.subsidy.domain.claim_payment import (
    AttestOutcome,
    CarryCommitment,
    EndRecovery,
    FreeForBudget,
    OrderPayment,
    RecoverClaim,
    ReservePayment,
    SettlePayment,
)
from shared.eventstore.decider import Event, Rejection, Release, ReleasePlace, Take, TakePlace, Use
from shared.testing.spec import given
from shared.values.ids import NoticeId, PaymentBatchId
from tests.unit.subsidy.samples import (
    AMOUNT,
    APPROVED,
    APPROVER,
    ASKED,
    BATCH,
    CHECKED,
    CORRECTED,
    ENDED,
    ISSUED,
    LINE,
    NOTICE,
    NOTICED,
    ORDERED,
    PAID,
    PASTS,
    POLICY,
    RECOVERY,
    REJECTED,
    RESERVED,
    RETURNED,
    REVIEWED,
    REVIEWER,
    SCREENED,
    SUBMITTED,
    TODAY,
    UNKNOWN,
    WITHDRAWN,
    approval,
    facts,
    held,
    payee,
    policy,
    submission,
    submit,
    without,
)

PLACES = "per_1/training-fee-subsidy"
OTHER_BATCH = PaymentBatchId("pay_2")
REVIEW = ReviewClaim(REVIEWER, "", TODAY)
REJECT = RejectClaim(APPROVER, ("不符合",), TODAY)
WITHDRAW = WithdrawClaim(TODAY)
CORRECT = CorrectClaim(payee(b"another"), TODAY)
ASK = RequestCorrection(REVIEWER, ("收款账户",), TODAY, 5)
NOTICING = NoticeClaim(NOTICE, NOTICED.last_day)


def settle(outcome: Any, batch: PaymentBatchId = BATCH) -> SettlePayment:
    return SettlePayment(batch, outcome, "户名不符", TODAY)


# -- every command in every state ------------------------------------------------------------------------------------

OPEN = ("submitted", "correction_requested", "under_review", "approved", "in_public_notice", "payable")
ANY = tuple(PASTS)
DEAD = ("paid", "recovered", "rejected", "withdrawn")
UNPAID = ("approved", "in_public_notice", "payable", "payment_returned")
LATE = ("submitted", "correction_requested", "approved", "in_public_notice", "payable", "payable, reserved")

COMMANDS: dict[str, ClaimCommand] = {
    "record payee check": RecordPayeeCheck(True, 1),
    "attest evidence": AttestEvidence("months", True, "社保-1", REVIEWER),
    "rescreen": RescreenClaim(policy("newer"), facts(), TODAY),
    "request correction": ASK,
    "correct": CORRECT,
    "review": REVIEW,
    "approve": approval(),
    "reject": REJECT,
    "withdraw": WITHDRAW,
    "hold": HoldClaim("death", TODAY, "某人"),
    "lift hold": LiftHold("death"),
    "escalate": EscalateClaim(date(2026, 1, 5)),
    "notice": NOTICING,
    "end notice": EndNotice(NOTICE),
    "reserve payment": ReservePayment(BATCH),
    "order payment": OrderPayment(BATCH, TODAY),
    "settle payment": settle("paid"),
    "attest outcome": AttestOutcome(BATCH, "paid", "other", TODAY, "statement", "对账单-1", "usr_maker"),
    "carry commitment": CarryCommitment(LINE, "training-fee-subsidy/2026", TODAY, fits=True),
    "free for budget": FreeForBudget(fits=True),
    "recover": RecoverClaim(RECOVERY, TODAY),
    "end recovery": EndRecovery(RECOVERY, settled=True, frees_place=False, today=TODAY),
}
DONE: dict[str, tuple[str, ...]] = {
    "record payee check": tuple(state for state in ANY if state not in DEAD),
    "attest evidence": ("submitted", "correction_requested", "under_review"),
    "rescreen": (),
    "request correction": ("submitted",),
    "correct": ("correction_requested", "payment_returned"),
    "review": ("submitted",),
    "approve": ("under_review",),
    "reject": (*OPEN, "payment_returned"),
    "withdraw": (*OPEN, "payment_returned"),
    "hold": tuple(state for state in ANY if state not in DEAD),
    "lift hold": (),
    "escalate": LATE,
    "notice": ("approved",),
    "end notice": ("in_public_notice",),
    "reserve payment": ("payable",),
    "order payment": ("payable, reserved",),
    "settle payment": ("payment_ordered", "payment_unknown"),
    "attest outcome": ("payment_ordered", "payment_unknown"),
    "carry commitment": UNPAID,
    "free for budget": (),
    "recover": ("paid",),
    "end recovery": ("recovering",),
}
NOTHING: dict[str, tuple[str, ...]] = {
    "record payee check": DEAD,
    "hold": DEAD,
    "lift hold": ANY,
    "rescreen": ANY,
    "escalate": tuple(state for state in ANY if state not in LATE),
    "end notice": tuple(state for state in ANY if state != "in_public_notice"),
    "settle payment": ("paid", "recovering", "recovered"),
    "attest outcome": ("paid", "recovering", "recovered"),
    "carry commitment": tuple(state for state in ANY if state not in UNPAID),
    "free for budget": ANY,
}
NEVER_ORDERED = tuple(state for state in ANY if not CLAIM.fold(PASTS[state]).orders)
NOT_IN_BATCH = {
    "settle payment": tuple(state for state in NEVER_ORDERED if state != "payable, reserved"),
    "attest outcome": NEVER_ORDERED,
}


@pytest.mark.parametrize("state", ANY)
@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_carried_out_in_its_states_only(name: str, state: str) -> None:
    outcome = given(CLAIM, *PASTS[state]).when(decide, COMMANDS[name])
    if state in DONE[name]:
        assert not isinstance(outcome.decision, Rejection)
        assert outcome.decision
        outcome.then(*outcome.decision)
    elif state in NOTHING.get(name, ()):
        outcome.then_nothing()
    elif state in NOT_IN_BATCH.get(name, ()):
        outcome.then_rejected("not_in_batch")
    else:
        told = outcome.then_rejected("wrong_state").extensions
        assert told == {"claim_status": CLAIM.fold(PASTS[state]).status, "holds": []}


def test_the_table_knows_every_command_and_every_state_that_events_lead_to() -> None:
    assert {type(command) for command in COMMANDS.values()} == set(get_args(ClaimCommand)) - {SubmitClaim}
    for name, past in PASTS.items():
        assert CLAIM.fold(past).status == name.partition(",")[0]
    reachable = {CLAIM.fold(past).status for past in PASTS.values()}
    assert reachable == set(get_args(Status))
    assert set(IN_REVIEW) <= reachable


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_happens_to_a_claim_that_was_never_submitted(name: str) -> None:
    given(CLAIM).when(decide, COMMANDS[name]).then_rejected("not_found", 404)


# -- submission ------------------------------------------------------------------------------------------------------


@pytest.mark.clause("B-16")
def test_a_submission_is_screened_at_once_and_keeps_channel_and_accepting_district() -> None:
    claim = given(CLAIM).when(decide, submit()).then(SUBMITTED, SCREENED)
    assert claim.submission is not None
    assert (claim.submission.channel, claim.submission.accepting_district) == ("app", "310101")


@pytest.mark.clause("B-17")
def test_the_review_district_is_the_institutions_whatever_district_accepted() -> None:
    assert submission().review_district != submission().accepting_district
    claim = CLAIM.fold([SUBMITTED])
    assert claim.submission is not None
    assert claim.submission.review_district == "310115"


@pytest.mark.clause("B-13")
@pytest.mark.parametrize(
    ("taken", "told"),
    [({"certificate_claim": "clm_0"}, "证书"), ({"entitlement_claim": "clm_0"}, "项目")],
)
def test_a_second_claim_for_a_certificate_or_a_persons_project_is_refused_with_the_first_ones_id(
    taken: dict[str, str], told: str
) -> None:
    rejection = given(CLAIM).when(decide, submit(**taken)).then_rejected("claim_exists")
    assert rejection.extensions == {"claim_id": "clm_0"}
    assert told in rejection.detail


@pytest.mark.clause("B-14")
def test_a_fourth_claim_is_taken_screened_failed_and_holds_no_place() -> None:
    failed = screened(POLICY, facts(places_held=3), TODAY)
    claim = given(CLAIM).when(decide, submit(facts=facts(places_held=3))).then(SUBMITTED, failed)
    assert not claim.holds_place
    assert [result.rule for result in claim.screening if result.passed is False] == ["limit"]


@pytest.mark.clause("B-01")
def test_without_a_version_in_force_on_the_judging_day_the_claim_waits_for_one() -> None:
    held = ClaimHeld("policy", TODAY, "市人力资源社会保障部门启用适用的政策版本")
    claim = given(CLAIM).when(decide, submit(policy=None)).then(SUBMITTED, held)
    assert (claim.policy_version, claim.amount) == (None, None)
    given(CLAIM, SUBMITTED, held, REVIEWED).when(decide, approval(policy=None)).then_rejected("wrong_state")


@pytest.mark.clause("B-11")
def test_the_amount_is_the_versions_to_the_cent() -> None:
    claim = given(CLAIM).when(decide, submit()).then(SUBMITTED, SCREENED)
    assert str(claim.amount) == "1800.00"


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


# -- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.clause("B-13")
def test_a_submission_takes_its_certificate_and_the_persons_project() -> None:
    assert list(CLAIM.limits(CLAIM.initial(), SUBMITTED)) == [
        Take(CERTIFICATE, "SH2025-D1-000001"),
        Take(ENTITLEMENT, "per_1/training-fee-subsidy/prj_1"),
    ]


@pytest.mark.clause("B-14")
def test_a_screening_that_passes_the_limit_takes_a_place_once() -> None:
    assert list(CLAIM.limits(CLAIM.fold([SUBMITTED]), SCREENED)) == [TakePlace(PERSON_PLACES, PLACES, 3)]
    assert list(CLAIM.limits(CLAIM.fold([SUBMITTED, SCREENED]), SCREENED)) == []
    assert list(CLAIM.limits(CLAIM.fold([SUBMITTED]), screened(POLICY, facts(places_held=3), TODAY))) == []


@pytest.mark.parametrize("end", [REJECTED, WITHDRAWN])
def test_a_claim_that_comes_to_nothing_gives_everything_back(end: Event) -> None:
    assert list(CLAIM.limits(CLAIM.fold(PASTS["approved"]), end)) == [
        Release(CERTIFICATE, "SH2025-D1-000001"),
        Release(ENTITLEMENT, "per_1/training-fee-subsidy/prj_1"),
        ReleasePlace(PERSON_PLACES, PLACES, 3),
        Use(BUDGET, LINE, -AMOUNT),
    ]
    assert Use(BUDGET, LINE, -AMOUNT) not in list(CLAIM.limits(CLAIM.fold(PASTS["submitted"]), end))


@pytest.mark.parametrize("event", [PAID, RETURNED, UNKNOWN, RESERVED, ORDERED, NOTICED, ENDED, ASKED, CORRECTED])
def test_no_other_event_touches_a_limit(event: Event) -> None:
    assert list(CLAIM.limits(CLAIM.fold(PASTS["payment_ordered"]), event)) == []


def test_the_facts_of_the_screening_are_kept_with_the_claim() -> None:
    claim = CLAIM.fold(PASTS["submitted"])
    assert claim.facts == facts()
    assert claim.facts is not None
    assert claim.facts.certificate_issued_on == ISSUED
