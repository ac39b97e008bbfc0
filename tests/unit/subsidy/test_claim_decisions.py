"""Claims: what may happen in which state, and what never may."""

from datetime import date
from typing import get_args

import pytest

from services.subsidy.domain.claim import BUDGET, CERTIFICATE, CLAIM, ENTITLEMENT, PERSON_PLACES
from services.subsidy.domain.claim_decisions import (
    IN_REVIEW,
    AttestEvidence,
    ClaimCommand,
    EndNotice,
    EscalateClaim,
    HoldClaim,
    LiftHold,
    RecordPayeeCheck,
    RescreenClaim,
    SubmitClaim,
    decide,
    screened,
)
from services.subsidy.domain.claim_events import (
    ClaimHeld,
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
)
from shared.eventstore.decider import Event, Rejection, Release, ReleasePlace, Take, TakePlace, Use
from shared.testing.spec import given
from tests.unit.subsidy.samples import (
    AMOUNT,
    ASK,
    ASKED,
    BATCH,
    CORRECT,
    CORRECTED,
    ENDED,
    ISSUED,
    LINE,
    NOTICE,
    NOTICED,
    NOTICING,
    ORDERED,
    PAID,
    PASTS,
    PLACES,
    POLICY,
    RECOVERY,
    REJECT,
    REJECTED,
    RESERVED,
    RETURNED,
    REVIEW,
    REVIEWED,
    REVIEWER,
    SCREENED,
    SUBMITTED,
    TODAY,
    UNKNOWN,
    WITHDRAW,
    WITHDRAWN,
    approval,
    facts,
    policy,
    settle,
    submission,
    submit,
)

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
