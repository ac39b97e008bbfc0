"""What may happen to a claim next: commands, and the decisions on them.   (沪人社规〔2023〕7号 二(二))

The claim's events, state and limits are in `claim.py`; this is the second half of the same aggregate, and how it is
paid is decided in `claim_payment.py`.
"""

from datetime import date
from decimal import Decimal
from typing import NamedTuple

import msgspec

from services.subsidy.domain.claim import Claim
from services.subsidy.domain.claim_events import (
    ClaimApproved,
    ClaimCorrected,
    ClaimEscalated,
    ClaimHeld,
    ClaimNoticed,
    ClaimRejected,
    ClaimRescreened,
    ClaimReviewed,
    ClaimScreened,
    ClaimSubmitted,
    ClaimWithdrawn,
    CorrectionRequested,
    EvidenceAttested,
    HoldLifted,
    HoldReason,
    NoticeEnded,
    PayeeAccount,
    PayeeChecked,
)
from services.subsidy.domain.claim_payment import (
    WAITS_FOR_DISTRICT,
    PaymentCommand,
    decide_payment,
    standing_in_the_way,
    wrong_state,
)
from services.subsidy.domain.facts import Facts
from services.subsidy.domain.policy_version import (
    PAYEE,
    EntitlementFree,
    PayeeIsClaimant,
    PlaceFree,
    PolicyVersion,
    Word,
)
from services.subsidy.domain.screening import Results, RuleResult, amount_of, screen
from shared.eventstore.decider import Decision, Event, Rejection
from shared.values.calendar import add_working_days
from shared.values.encoded import encoded
from shared.values.ids import NoticeId

# -- commands and decide: what may happen next ------------------------------------------------------------------------


class SubmitClaim(msgspec.Struct, frozen=True):
    """`policy` is the version in force on `submission.judged_on`, None when there is none."""

    submission: ClaimSubmitted
    policy: PolicyVersion | None
    facts: Facts
    certificate_claim: str | None
    entitlement_claim: str | None
    blocked: tuple[HoldReason, ...] = ()


class RecordPayeeCheck(msgspec.Struct, frozen=True):
    matches: bool
    account: int


class RequestCorrection(msgspec.Struct, frozen=True):
    reviewer: str
    items: tuple[str, ...]
    today: date
    working_days: int


class CorrectClaim(msgspec.Struct, frozen=True):
    """`working_days`: how many the review may take from now on."""

    payee: PayeeAccount
    today: date
    working_days: int | None = None


class AttestEvidence(msgspec.Struct, frozen=True):
    """`document`: the file or register that the reviewer looked at, by its reference."""

    evidence: str
    confirmed: bool
    document: str
    by: str


class RescreenClaim(msgspec.Struct, frozen=True):
    """`policy` is the version in force now on the day that the claim is judged by."""

    policy: PolicyVersion | None
    facts: Facts
    today: date


class ReviewClaim(msgspec.Struct, frozen=True):
    """`working_days`: how many the approval may take."""

    reviewer: str
    opinion: str
    today: date
    working_days: int | None = None


class ApproveClaim(msgspec.Struct, frozen=True):
    """`facts` are those of now: what money depends on is checked again at approval."""

    approver: str
    policy: PolicyVersion | None
    facts: Facts
    budget_line: str
    budget_left: Decimal
    today: date
    blocked: tuple[HoldReason, ...] = ()


class RejectClaim(msgspec.Struct, frozen=True):
    decided_by: str
    reasons: tuple[str, ...]
    today: date


class WithdrawClaim(msgspec.Struct, frozen=True):
    today: date


class HoldClaim(msgspec.Struct, frozen=True):
    reason: HoldReason
    today: date
    waiting_for: str


class LiftHold(msgspec.Struct, frozen=True):
    """`by`: a person who looked into the matter, with the document; None: what was waited for has come about."""

    reason: HoldReason
    by: str | None = None
    document: str | None = None


class EscalateClaim(msgspec.Struct, frozen=True):
    """A step's last day has passed, or not: `today` says."""

    today: date


class NoticeClaim(msgspec.Struct, frozen=True):
    notice_id: NoticeId
    last_day: date


class EndNotice(msgspec.Struct, frozen=True):
    notice_id: NoticeId


ClaimCommand = (
    SubmitClaim | RecordPayeeCheck | AttestEvidence | RescreenClaim | RequestCorrection | CorrectClaim | ReviewClaim
    | ApproveClaim | RejectClaim | WithdrawClaim | HoldClaim | LiftHold | EscalateClaim | NoticeClaim | EndNotice
    | PaymentCommand
)  # fmt: skip

IN_REVIEW = ("submitted", "correction_requested", "under_review")
REJECTABLE = (*IN_REVIEW, "approved", "in_public_notice", "payable", "payment_returned")
SECOND_PERSON = Rejection(
    code="second_person_required", detail="审核人已就此申请签署意见，须由另一人批准或不予批准", status=403
)
SETTLED_BEFORE: tuple[type[Word], ...] = (EntitlementFree, PlaceFree, PayeeIsClaimant)
"""Checks that approval does not make again: settled when the places were taken and when registry answered."""
LIFTED_BY_PEOPLE: tuple[HoldReason, ...] = ("death", "deregistration", "calendar")
"""What a person may look into and lift. The other holds end by what they wait for, or by rejection."""
WAITS_FOR_POLICY = "市人力资源社会保障部门启用适用的政策版本"


def decide(command: ClaimCommand, claim: Claim) -> Decision:
    match command:
        case SubmitClaim():
            return _submit(command)
        case _ if claim.submission is None:
            return Rejection(code="not_found", detail="没有找到这个申请", status=404)
        case RecordPayeeCheck():
            current = command.account == claim.payee_accounts and not claim.ended
            return [PayeeChecked(command.matches, command.account)] if current else []
        case AttestEvidence():
            return _attest(command, claim)
        case RescreenClaim():
            return _rescreen(command, claim)
        case RequestCorrection():
            return _request_correction(command, claim)
        case CorrectClaim():
            return _correct(command, claim)
        case ReviewClaim():
            if claim.status != "submitted":
                return wrong_state(claim, "审核")
            due_on = _due(command.today, command.working_days)
            return [ClaimReviewed(command.reviewer, command.opinion, command.today, due_on)]
        case ApproveClaim():
            return _approve(command, claim)
        case RejectClaim():
            if claim.status not in REJECTABLE or claim.batch_id:
                return wrong_state(claim, "不予批准")
            if claim.status == "under_review" and command.decided_by == claim.reviewer:
                return SECOND_PERSON
            return [ClaimRejected(command.decided_by, command.reasons, command.today)]
        case WithdrawClaim():
            if claim.status not in REJECTABLE or claim.batch_id:
                return wrong_state(claim, "撤回")
            return [ClaimWithdrawn(command.today)]
        case HoldClaim():
            if claim.ended or claim.held_for(command.reason) or command.reason in claim.cleared:
                return []
            return [ClaimHeld(command.reason, command.today, command.waiting_for)]
        case LiftHold():
            return _lift(command, claim)
        case EscalateClaim():
            return _escalate(command, claim)
        case NoticeClaim():
            if claim.status != "approved" or claim.holds:
                return wrong_state(claim, "公示")
            return [ClaimNoticed(command.notice_id, command.last_day)]
        case EndNotice():
            mine = claim.notice_id == command.notice_id and claim.status == "in_public_notice"
            return [NoticeEnded(command.notice_id)] if mine and not claim.notice_ended else []
        case _:
            return decide_payment(command, claim)


def _submit(command: SubmitClaim) -> Decision:
    existing = command.certificate_claim or command.entitlement_claim
    if existing is not None:
        what = "这份证书" if command.certificate_claim else "这个培训项目或期间"
        return Rejection(code="claim_exists", detail=f"{what}已有申请", extensions={"claim_id": existing})
    today = command.submission.submitted_on
    if command.policy is None:
        return [command.submission, ClaimHeld("policy", today, WAITS_FOR_POLICY)]
    accepted: list[Event] = [command.submission, screened(command.policy, command.facts, today)]
    if command.policy.provisional:
        accepted.append(ClaimHeld("policy", today, WAITS_FOR_POLICY))
    accepted += [ClaimHeld(reason, today, WAITS_FOR_DISTRICT) for reason in command.blocked]
    return accepted


class _Screening(NamedTuple):
    """What a version makes of the facts; a place is held where the limit allows it."""

    policy_version: str
    amount: Decimal | None
    facts: Facts
    results: Results
    holds_place: bool
    places: int
    due_on: date | None


def _screening(policy: PolicyVersion, facts: Facts, today: date) -> _Screening:
    results = screen(policy, facts)
    limit = policy.uses(PlaceFree)
    return _Screening(
        policy.version,
        amount_of(policy, facts),
        facts,
        encoded(results),
        any(result.rule == limit and result.passed for result in results),
        policy.parameters.places,
        _due(today, policy.parameters.review_working_days),
    )


def screened(policy: PolicyVersion, facts: Facts, today: date) -> ClaimScreened:
    """The screening of a claim under a version."""
    return ClaimScreened(*_screening(policy, facts, today))


def _due(today: date, working_days: int | None) -> date | None:
    return None if working_days is None else add_working_days(today, working_days)


def _rescreen(command: RescreenClaim, claim: Claim) -> Decision:
    """A claim that waits for a version is judged by the one that has come into force.   (B-01)"""
    policy = command.policy
    if policy is None or claim.ended or not claim.held_for("policy") or claim.policy_version == policy.version:
        return []
    before = encoded(()) if claim.results is None else claim.results
    again = ClaimRescreened(claim.policy_version, before, *_screening(policy, command.facts, command.today))
    return [again] if policy.provisional else [again, HoldLifted("policy")]


def _attest(command: AttestEvidence, claim: Claim) -> Decision:
    if claim.status not in IN_REVIEW:
        return wrong_state(claim, "核验申报内容")
    if claim.submission is None or command.evidence not in claim.submission.evidence:
        return Rejection(code="no_such_evidence", detail="申请中没有这项申报内容", status=422)
    return [EvidenceAttested(command.evidence, command.confirmed, command.document, command.by)]


def _lift(command: LiftHold, claim: Claim) -> Decision:
    if command.by is not None and command.reason not in LIFTED_BY_PEOPLE:
        return Rejection(code="hold_not_liftable", detail="这类暂缓不能由人工解除")
    if claim.held_for(command.reason):
        return [HoldLifted(command.reason, command.by, command.document)]
    if command.by is None:
        return []
    return Rejection(code="not_on_hold", detail="申请没有这项暂缓")


def _lapse(command: EscalateClaim, claim: Claim) -> Decision:
    """A correction that did not come in time: the reviewer decides on what there is."""
    due_on = claim.correction_due
    if due_on is None or command.today <= due_on or claim.escalated_to is not None:
        return []
    return [ClaimEscalated("review", due_on, REVIEWER)]


REVIEWER = "审核区审核人"
ESCALATED_TO = "市就业促进中心"


def _escalate(command: EscalateClaim, claim: Claim) -> Decision:
    if claim.status == "correction_requested":
        return _lapse(command, claim)
    late = claim.due_on is not None and command.today > claim.due_on
    if claim.due_on is None or not late or claim.step is None or claim.escalated_to is not None:
        return []
    return [ClaimEscalated(claim.step, claim.due_on, ESCALATED_TO)]


def _request_correction(command: RequestCorrection, claim: Claim) -> Decision:
    if claim.status != "submitted":
        return wrong_state(claim, "要求补正")
    if claim.corrections_asked:
        return Rejection(code="correction_once", detail="补正须一次性告知，不能再次要求")
    due_on = add_working_days(command.today, command.working_days)
    return [CorrectionRequested(command.reviewer, command.items, due_on)]


def _correct(command: CorrectClaim, claim: Claim) -> Decision:
    if claim.status not in ("correction_requested", "payment_returned") and not _refused_again(claim):
        return wrong_state(claim, "补正")
    if claim.correction_due is not None and command.today > claim.correction_due:
        return Rejection(code="correction_late", detail=f"补正期限已于 {claim.correction_due} 届满")
    due_on = _due(command.today, command.working_days)
    return [ClaimCorrected(command.payee, command.today, due_on)]


def _refused_again(claim: Claim) -> bool:
    """After a returned payment the new account was not in the claimant's name either: it may be corrected once more."""
    refused = any(result.rule == PAYEE and result.passed is False for result in claim.screening)
    return refused and claim.status == "payable" and claim.batch_id is None


def _approve(command: ApproveClaim, claim: Claim) -> Decision:
    if claim.status != "under_review":
        return wrong_state(claim, "批准")
    if command.approver == claim.reviewer:
        return SECOND_PERSON
    if holds := standing_in_the_way(command.blocked, command.today, claim):
        return holds
    policy = command.policy
    if claim.held_for("policy", "certificate_revoked", "death", "deregistration") or policy is None:
        return wrong_state(claim, "批准")
    if policy.provisional:
        return wrong_state(claim, "批准")
    before = {rule.name for rule in policy.rules if isinstance(rule.check, SETTLED_BEFORE)}
    settled = {result.rule: result for result in claim.screening if result.rule in before}
    results = tuple(settled.get(result.rule, result) for result in screen(policy, command.facts))
    for now in results:
        if now.passed is None:
            return Rejection(code="screening_pending", detail=f"尚待核实：{now.text}", extensions={"rule": now.rule})
        if not now.passed:
            return Rejection(code="screening_failed", detail=f"不符合：{now.text}", extensions={"rule": now.rule})
    if not claim.holds_place:
        rule = policy.uses(PlaceFree) or "limit"
        return Rejection(code="screening_failed", detail="已无可用的补贴次数", extensions={"rule": rule})
    amount = amount_of(policy, command.facts)
    if amount is None:
        return Rejection(code="amount_unset", detail="补贴金额尚未确定，不能批准")
    if command.budget_left < amount:
        if claim.held_for("budget"):
            return wrong_state(claim, "批准")
        return [ClaimHeld("budget", command.today, "下一年度预算")]
    noticed = "public_notice" in policy.workflow
    days = policy.parameters.payment_working_days + (policy.parameters.notice_working_days if noticed else 0)
    approved = ClaimApproved(
        command.approver,
        policy.version,
        amount,
        command.budget_line,
        command.today,
        _due(command.today, days),
        noticed,
    )
    decided: list[Event] = [*_judged_anew(policy, command.facts, results, amount, claim), approved]
    return [HoldLifted("budget"), *decided] if claim.held_for("budget") else decided


def _judged_anew(
    policy: PolicyVersion, facts: Facts, results: tuple[RuleResult, ...], amount: Decimal, claim: Claim
) -> list[Event]:
    """What approval judged by, where that is not what the claim was screened by: it has to be told for a replay."""
    known = {result.rule: result.passed for result in claim.screening}
    if policy.version == claim.policy_version and known == {result.rule: result.passed for result in results}:
        return []
    before = encoded(()) if claim.results is None else claim.results
    return [
        ClaimRescreened(
            claim.policy_version,
            before,
            policy.version,
            amount,
            facts,
            encoded(results),
            claim.holds_place,
            claim.places,
            claim.due_on,
        )
    ]
