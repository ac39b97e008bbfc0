"""Claims that wait: for a version, for a document, for a person; and what is done when nobody acts in time."""

from datetime import date, timedelta

import pytest
from msgspec.structs import replace

from services.subsidy.domain.claim import CLAIM, PERSON_PLACES
from services.subsidy.domain.claim_decisions import (
    AttestEvidence,
    CorrectClaim,
    EscalateClaim,
    HoldClaim,
    LiftHold,
    RejectClaim,
    RescreenClaim,
    ReviewClaim,
    WithdrawClaim,
    decide,
    screened,
)
from services.subsidy.domain.claim_events import (
    ClaimApproved,
    ClaimCorrected,
    ClaimEscalated,
    ClaimHeld,
    ClaimRejected,
    ClaimRescreened,
    ClaimReviewed,
    EvidenceAttested,
    HoldLifted,
    HoldReason,
)
from services.subsidy.domain.policy_version import WITHOUT_NOTICE, Attested, EvidenceAsked, Rule
from services.subsidy.domain.screening import results_of, screen
from shared.eventstore.decider import ReleasePlace, TakePlace
from shared.testing.spec import given
from tests.unit.subsidy.samples import (
    AMOUNT,
    APPROVER,
    ASKED,
    CHECKED,
    LINE,
    PASTS,
    POLICY,
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
    submission,
    submit,
    without,
)

PROVISIONAL = replace(policy("2026-provisional"), provisional=True)
CONFIRMED = replace(policy("2026-1"), supersedes=("2026-provisional",))
POLICY_HELD = ClaimHeld("policy", TODAY, "市人力资源社会保障部门启用适用的政策版本")
DAY = timedelta(days=1)


# -- for a version ----------------------------------------------------------------------------------------------------


@pytest.mark.clause("B-01")
def test_a_claim_under_a_provisional_version_is_screened_and_waits() -> None:
    claim = (
        given(CLAIM)
        .when(decide, submit(policy=PROVISIONAL))
        .then(SUBMITTED, screened(PROVISIONAL, facts(), TODAY), POLICY_HELD)
    )
    assert claim.policy_version == "2026-provisional"
    assert claim.holds_place
    under_review = (SUBMITTED, screened(PROVISIONAL, facts(), TODAY), POLICY_HELD, CHECKED, REVIEWED)
    given(CLAIM, *under_review).when(decide, approval(policy=PROVISIONAL)).then_rejected("wrong_state")
    given(CLAIM, *under_review).when(decide, approval(policy=CONFIRMED)).then_rejected("wrong_state")


@pytest.mark.clause("B-01")
def test_the_confirmed_version_screens_a_waiting_claim_again_and_both_results_stand_side_by_side() -> None:
    before = screened(PROVISIONAL, facts(), TODAY)
    later = facts(roles=())
    claim = given(CLAIM, SUBMITTED, before, POLICY_HELD).when(decide, RescreenClaim(CONFIRMED, later, TODAY))
    [again, lifted] = claim.decision  # type: ignore[misc]
    assert isinstance(again, ClaimRescreened)
    assert (again.previous_version, again.policy_version) == ("2026-provisional", "2026-1")
    assert [item.passed for item in results_of(again.previous_results)][4] is True
    assert [item.passed for item in results_of(again.results)][4] is False
    assert lifted == HoldLifted("policy")
    after = CLAIM.fold([SUBMITTED, before, POLICY_HELD, again, lifted])
    assert (after.policy_version, after.holds, after.facts) == ("2026-1", (), later)


@pytest.mark.clause("B-01")
def test_a_claim_that_no_version_judged_yet_takes_its_place_when_one_comes() -> None:
    past = (SUBMITTED, POLICY_HELD)
    rescreened = given(CLAIM, *past).when(decide, RescreenClaim(POLICY, facts(), TODAY))
    [again, _] = rescreened.decision  # type: ignore[misc]
    assert isinstance(again, ClaimRescreened)
    assert results_of(again.previous_results) == ()
    assert list(CLAIM.limits(CLAIM.fold(past), again)) == [TakePlace(PERSON_PLACES, "per_1/training-fee-subsidy", 3)]


def test_a_place_is_given_back_as_it_was_taken_whatever_a_later_version_allows() -> None:
    fewer = policy("2026-1", places=1)
    past = [SUBMITTED, screened(PROVISIONAL, facts(), TODAY), POLICY_HELD]
    [again, _] = given(CLAIM, *past).when(decide, RescreenClaim(fewer, facts(), TODAY)).decision  # type: ignore[misc]
    claim = CLAIM.fold([*past, again])
    assert list(CLAIM.limits(CLAIM.fold(past), again)) == []
    withdrawn = given(CLAIM, *past, again).when(decide, WithdrawClaim(TODAY)).decision
    assert ReleasePlace(PERSON_PLACES, "per_1/training-fee-subsidy", 3) in list(CLAIM.limits(claim, withdrawn[0]))  # type: ignore[index]


@pytest.mark.parametrize("version", [None, PROVISIONAL])
def test_what_changes_nothing_writes_nothing(version: object) -> None:
    past = (SUBMITTED, screened(PROVISIONAL, facts(), TODAY), POLICY_HELD)
    given(CLAIM, *past).when(decide, RescreenClaim(version, facts(), TODAY)).then_nothing()  # type: ignore[arg-type]


@pytest.mark.parametrize("past", PASTS)
def test_a_claim_that_waits_for_no_version_is_not_screened_again(past: str) -> None:
    given(CLAIM, *PASTS[past]).when(decide, RescreenClaim(CONFIRMED, facts(), TODAY)).then_nothing()


# -- for a document ---------------------------------------------------------------------------------------------------

MONTHS = Rule("months", "A-20", "已按月缴费", Attested("months"))
ATTESTING = replace(POLICY, rules=(*POLICY.rules, MONTHS), evidence=(EvidenceAsked("months", "count", "缴费月数"),))


@pytest.mark.clause("A-20")
def test_what_was_stated_counts_only_when_a_reviewer_has_seen_the_document() -> None:
    stated = submission(evidence={"months": 3})
    past = (stated, screened(ATTESTING, facts(evidence={"months": 3}), TODAY), CHECKED)
    pending = given(CLAIM, *past, REVIEWED).when(
        decide, approval(policy=ATTESTING, facts=facts(evidence={"months": 3}))
    )
    assert pending.then_rejected("screening_pending").extensions == {"rule": "months"}
    seen = EvidenceAttested("months", True, "社保-1", REVIEWER)
    claim = given(CLAIM, *past).when(decide, AttestEvidence("months", True, "社保-1", REVIEWER)).then(seen)
    assert claim.attested == {"months": True}
    refuted = facts(evidence={"months": 3}, attested={"months": False})
    failed = given(CLAIM, *past, REVIEWED).when(decide, approval(policy=ATTESTING, facts=refuted))
    assert failed.then_rejected("screening_failed").extensions == {"rule": "months"}


def test_only_what_was_stated_is_attested() -> None:
    given(CLAIM, *PASTS["submitted"]).when(decide, AttestEvidence("colour", True, "x", REVIEWER)).then_rejected(
        "no_such_evidence", 422
    )


# -- for a person -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["death", "deregistration", "calendar"])
def test_what_a_person_has_looked_into_and_lifted_does_not_hold_the_claim_again(reason: HoldReason) -> None:
    lifted = HoldLifted(reason, APPROVER, "DA-1")
    past = (*PASTS["under_review"], held(reason))
    given(CLAIM, *past).when(decide, LiftHold(reason, APPROVER, "DA-1")).then(lifted)
    given(CLAIM, *past, lifted).when(decide, HoldClaim(reason, TODAY, "某人")).then_nothing()
    approved = given(CLAIM, *past, lifted).when(decide, approval(blocked=(reason,))).decision
    assert isinstance(approved[0], ClaimApproved)  # type: ignore[index]


@pytest.mark.parametrize("reason", ["certificate_revoked", "policy", "budget", "objection"])
def test_nobody_lifts_by_hand_what_ends_by_itself_or_by_rejection(reason: HoldReason) -> None:
    past = (*PASTS["under_review"], held(reason))
    given(CLAIM, *past).when(decide, LiftHold(reason, APPROVER, "DA-1")).then_rejected("hold_not_liftable")


def test_a_hold_that_is_not_there_is_not_lifted_by_hand() -> None:
    given(CLAIM, *PASTS["under_review"]).when(decide, LiftHold("death", APPROVER, "DA-1")).then_rejected("not_on_hold")


# -- clocks -----------------------------------------------------------------------------------------------------------


def test_each_step_has_its_last_working_day() -> None:
    assert SCREENED.due_on == date(2025, 3, 31)  # twenty working days
    reviewed = ClaimReviewed(REVIEWER, "", TODAY, date(2025, 3, 17))
    claim = given(CLAIM, *PASTS["submitted"]).when(decide, ReviewClaim(REVIEWER, "", TODAY, 10)).then(reviewed)
    assert (claim.step, claim.due_on) == ("approval", date(2025, 3, 17))
    corrected = ClaimCorrected(payee(b"another"), TODAY, date(2025, 3, 31))
    claim = (
        given(CLAIM, *PASTS["correction_requested"])
        .when(decide, CorrectClaim(payee(b"another"), TODAY, 20))
        .then(corrected)
    )
    assert (claim.step, claim.due_on) == ("review", date(2025, 3, 31))


def test_while_the_claimant_is_asked_no_office_is_late() -> None:
    claim = CLAIM.fold((*PASTS["submitted"], ASKED))
    assert (claim.step, claim.due_on) == (None, None)


@pytest.mark.parametrize(("days", "escalated"), [(0, False), (1, True), (30, True)])
def test_a_step_is_escalated_after_its_last_day_and_once(days: int, escalated: bool) -> None:
    assert SCREENED.due_on is not None
    told = ClaimEscalated("review", SCREENED.due_on, "市就业促进中心")
    outcome = given(CLAIM, *PASTS["submitted"]).when(decide, EscalateClaim(SCREENED.due_on + days * DAY))
    if escalated:
        outcome.then(told)
    else:
        outcome.then_nothing()
    given(CLAIM, *PASTS["submitted"], told).when(decide, EscalateClaim(date(2026, 1, 1))).then_nothing()
    review = given(CLAIM, *PASTS["submitted"], told).when(decide, ReviewClaim(REVIEWER, "", TODAY, 10)).decision
    assert CLAIM.fold((*PASTS["submitted"], told, *review)).escalated_to is None  # type: ignore[misc]


# -- a way without a public notice -------------------------------------------------------------------------------------


@pytest.mark.clause("A-17")
def test_a_version_whose_way_leads_past_the_public_notice_makes_an_approved_claim_payable() -> None:
    short = replace(POLICY, workflow=WITHOUT_NOTICE)
    approved = ClaimApproved(APPROVER, "2023-7", AMOUNT, LINE, TODAY, date(2025, 3, 24), noticed=False)
    claim = given(CLAIM, *PASTS["under_review"]).when(decide, approval(policy=short)).then(approved)
    assert claim.status == "payable"


def test_a_version_that_does_not_limit_asks_for_no_place() -> None:
    """Such a version is never drafted; a claim that was judged by one is not approved."""
    past = (SUBMITTED, screened(without("limit"), facts(), TODAY), CHECKED, REVIEWED)
    given(CLAIM, *past).when(decide, approval(policy=without("limit"))).then_rejected("screening_failed")


# -- what a reviewer of this code found ------------------------------------------------------------------------------


def test_what_was_looked_into_does_not_hide_what_was_not() -> None:
    past = (*PASTS["under_review"], held("death"), HoldLifted("death", APPROVER, "DA-1"))
    both = ("death", "deregistration")
    [hold] = given(CLAIM, *past).when(decide, approval(blocked=both)).decision  # type: ignore[misc]
    assert isinstance(hold, ClaimHeld)
    assert hold.reason == "deregistration"
    accepted = given(CLAIM).when(decide, submit(blocked=both)).decision
    assert [event.reason for event in accepted if isinstance(event, ClaimHeld)] == list(both)  # type: ignore[union-attr]


@pytest.mark.clause("B-17")
def test_who_recommended_a_claim_does_not_reject_it_as_well() -> None:
    own = RejectClaim(REVIEWER, ("不符合",), TODAY)
    given(CLAIM, *PASTS["under_review"]).when(decide, own).then_rejected("second_person_required", 403)
    rejected = given(CLAIM, *PASTS["under_review"]).when(decide, RejectClaim(APPROVER, ("不符合",), TODAY)).decision
    assert isinstance(rejected[0], ClaimRejected)  # type: ignore[index]


@pytest.mark.parametrize(("today", "told"), [(date(2025, 3, 10), False), (date(2025, 3, 11), True)])
def test_a_correction_that_does_not_come_in_time_is_the_reviewers(today: date, told: bool) -> None:
    past = PASTS["correction_requested"]
    outcome = given(CLAIM, *past).when(decide, EscalateClaim(today))
    if told:
        outcome.then(ClaimEscalated("review", date(2025, 3, 10), "审核区审核人"))
    else:
        outcome.then_nothing()


@pytest.mark.clause("B-01")
def test_what_approval_judged_by_is_told_where_it_is_not_what_the_claim_was_screened_by() -> None:
    past = (SUBMITTED, screened(POLICY, facts(roles=()), TODAY), CHECKED, REVIEWED)
    judged, approved = given(CLAIM, *past).when(decide, approval()).decision  # type: ignore[misc]
    assert isinstance(judged, ClaimRescreened)
    assert isinstance(approved, ClaimApproved)
    claim = CLAIM.fold([*past, judged, approved])
    assert all(result.passed for result in claim.screening)
    assert screen(POLICY, judged.facts)[4].passed is True


def test_money_that_came_back_need_not_be_paid_again() -> None:
    past = PASTS["payment_returned"]
    withdrawn = given(CLAIM, *past).when(decide, WithdrawClaim(TODAY)).decision
    assert CLAIM.fold([*past, *withdrawn]).status == "withdrawn"  # type: ignore[misc]
