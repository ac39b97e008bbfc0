"""What may happen to a claim next: commands, and the decisions on them.   (沪人社规〔2023〕7号 二(二))

The claim's events, state and limits are in `claim.py`; this is the second half of the same aggregate.
"""

from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from services.subsidy.domain.claim import (
    Claim,
    ClaimApproved,
    ClaimCorrected,
    ClaimHeld,
    ClaimNoticed,
    ClaimPaid,
    ClaimRejected,
    ClaimReviewed,
    ClaimScreened,
    ClaimSubmitted,
    ClaimWithdrawn,
    CorrectionRequested,
    HoldLifted,
    HoldReason,
    NoticeEnded,
    PayeeAccount,
    PayeeChecked,
    PaymentDropped,
    PaymentOrdered,
    PaymentReserved,
    PaymentReturned,
    PaymentUnknown,
)
from services.subsidy.domain.policy import PolicyVersion
from services.subsidy.domain.screening import Facts, screen
from shared.eventstore.decider import Decision, Rejection
from shared.values.calendar import add_working_days
from shared.values.encoded import encoded
from shared.values.ids import NoticeId, PaymentBatchId

# -- commands and decide: what may happen next ------------------------------------------------------------------------


class SubmitClaim(msgspec.Struct, frozen=True):
    """`policy` is the version in force on `submission.judged_on`, None when there is none."""

    submission: ClaimSubmitted
    policy: PolicyVersion | None
    facts: Facts
    certificate_claim: str | None
    project_claim: str | None
    blocked: HoldReason | None = None


class RecordPayeeCheck(msgspec.Struct, frozen=True):
    matches: bool
    account: int


class RequestCorrection(msgspec.Struct, frozen=True):
    reviewer: str
    items: tuple[str, ...]
    today: date
    working_days: int


class CorrectClaim(msgspec.Struct, frozen=True):
    payee: PayeeAccount
    today: date


class ReviewClaim(msgspec.Struct, frozen=True):
    reviewer: str
    opinion: str
    today: date


class ApproveClaim(msgspec.Struct, frozen=True):
    """`facts` are those of now: what money depends on is checked again at approval."""

    approver: str
    policy: PolicyVersion | None
    facts: Facts
    budget_line: str
    budget_left: Decimal
    today: date
    blocked: HoldReason | None = None


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
    reason: HoldReason


class NoticeClaim(msgspec.Struct, frozen=True):
    notice_id: NoticeId
    last_day: date


class EndNotice(msgspec.Struct, frozen=True):
    notice_id: NoticeId


class ReservePayment(msgspec.Struct, frozen=True):
    batch_id: PaymentBatchId


class OrderPayment(msgspec.Struct, frozen=True):
    """`blocked`: what is known at the moment of release to stand in the way; it holds the claim and drops it."""

    batch_id: PaymentBatchId
    today: date
    blocked: HoldReason | None = None


class SettlePayment(msgspec.Struct, frozen=True):
    batch_id: PaymentBatchId
    outcome: Literal["paid", "returned", "unknown"]
    reason: str
    on: date


ClaimCommand = (
    SubmitClaim | RecordPayeeCheck | RequestCorrection | CorrectClaim | ReviewClaim | ApproveClaim | RejectClaim
    | WithdrawClaim | HoldClaim | LiftHold | NoticeClaim | EndNotice | ReservePayment | OrderPayment | SettlePayment
)  # fmt: skip

WAITS_FOR_DISTRICT = "审核区人力资源社会保障部门核实"
IN_REVIEW = ("submitted", "correction_requested", "under_review")
REJECTABLE = (*IN_REVIEW, "approved", "in_public_notice", "payable", "payment_returned")
SETTLED_BEFORE = ("limit", "once_per_project", "payee")
"""Rules that approval does not judge again: settled when the places were taken and when registry answered."""


def decide(command: ClaimCommand, claim: Claim) -> Decision:
    match command:
        case SubmitClaim():
            return _submit(command)
        case _ if claim.submission is None:
            return Rejection(code="not_found", detail="没有找到这个申请", status=404)
        case RecordPayeeCheck():
            current = command.account == claim.payee_accounts and not claim.ended
            return [PayeeChecked(command.matches, command.account)] if current else []
        case RequestCorrection():
            return _request_correction(command, claim)
        case CorrectClaim():
            return _correct(command, claim)
        case ReviewClaim():
            if claim.status != "submitted":
                return wrong_state(claim, "审核")
            return [ClaimReviewed(command.reviewer, command.opinion, command.today)]
        case ApproveClaim():
            return _approve(command, claim)
        case RejectClaim():
            if (
                claim.status not in (*IN_REVIEW, "approved", "in_public_notice", "payable", "payment_returned")
                or claim.batch_id
            ):
                return wrong_state(claim, "不予批准")
            return [ClaimRejected(command.decided_by, command.reasons, command.today)]
        case WithdrawClaim():
            if claim.status not in (*IN_REVIEW, "approved", "in_public_notice", "payable") or claim.batch_id:
                return wrong_state(claim, "撤回")
            return [ClaimWithdrawn(command.today)]
        case HoldClaim():
            if claim.ended or claim.held_for(command.reason):
                return []
            return [ClaimHeld(command.reason, command.today, command.waiting_for)]
        case LiftHold():
            return [HoldLifted(command.reason)] if claim.held_for(command.reason) else []
        case NoticeClaim():
            if claim.status != "approved" or claim.holds:
                return wrong_state(claim, "公示")
            return [ClaimNoticed(command.notice_id, command.last_day)]
        case EndNotice():
            mine = claim.notice_id == command.notice_id and claim.status == "in_public_notice"
            return [NoticeEnded(command.notice_id)] if mine and not claim.notice_ended else []
        case ReservePayment():
            if claim.status != "payable" or claim.holds or claim.batch_id is not None:
                return wrong_state(claim, "列入发放批次")
            if not claim.payee_checked:
                return Rejection(code="payee_unchecked", detail="收款账户尚未核实为本人账户，不能列入发放批次")
            return [PaymentReserved(command.batch_id)]
        case OrderPayment():
            return _order(command, claim)
        case SettlePayment():
            return _settle(command, claim)


def wrong_state(claim: Claim, act: str) -> Rejection:
    """The rejection of an act that the claim's state, or a hold, does not allow."""
    holds = [hold.reason for hold in claim.holds]
    return Rejection(
        code="wrong_state",
        detail=f"申请当前状态不能{act}",
        extensions={"claim_status": claim.status, "holds": list(holds)},
    )


def _submit(command: SubmitClaim) -> Decision:
    existing = command.certificate_claim or command.project_claim
    if existing is not None:
        what = "这份证书" if command.certificate_claim else "这个培训项目"
        return Rejection(code="claim_exists", detail=f"{what}已有申请", extensions={"claim_id": existing})
    if command.policy is None:
        held = ClaimHeld("policy", command.submission.submitted_on, "市就业促进中心启用适用的政策版本")
        return [command.submission, held]
    accepted = [command.submission, screened(command.policy, command.facts)]
    if command.blocked is not None:
        return [*accepted, ClaimHeld(command.blocked, command.submission.submitted_on, WAITS_FOR_DISTRICT)]
    return accepted


def screened(policy: PolicyVersion, facts: Facts) -> ClaimScreened:
    """The screening of a claim under a version; a place is held where the limit allows it."""
    results = screen(policy, facts)
    free = any(result.rule == "limit" and result.passed for result in results)
    return ClaimScreened(
        policy.version,
        policy.parameters.amount,
        facts,
        encoded(results),
        holds_place=free,
        places=policy.parameters.places,
    )


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
    return [ClaimCorrected(command.payee, command.today)]


def _refused_again(claim: Claim) -> bool:
    """After a returned payment the new account was not in the claimant's name either: it may be corrected once more."""
    refused = any(result.rule == "payee" and result.passed is False for result in claim.screening)
    return refused and claim.status == "payable" and claim.batch_id is None


def _approve(command: ApproveClaim, claim: Claim) -> Decision:
    if claim.status != "under_review":
        return wrong_state(claim, "批准")
    if command.approver == claim.reviewer:
        return Rejection(code="second_person_required", detail="审核人不能批准同一申请，须由另一人批准", status=403)
    if command.blocked is not None and not claim.held_for(command.blocked):
        return [ClaimHeld(command.blocked, command.today, WAITS_FOR_DISTRICT)]
    if claim.held_for("policy", "certificate_revoked", "death", "deregistration") or command.policy is None:
        return wrong_state(claim, "批准")
    settled = {result.rule: result for result in claim.screening if result.rule in SETTLED_BEFORE}
    for result in screen(command.policy, command.facts):
        now = settled.get(result.rule, result)
        if now.passed is None:
            return Rejection(code="screening_pending", detail=f"尚待核实：{now.text}", extensions={"rule": now.rule})
        if not now.passed:
            return Rejection(code="screening_failed", detail=f"不符合：{now.text}", extensions={"rule": now.rule})
    if not claim.holds_place:
        return Rejection(code="screening_failed", detail="已无可用的补贴次数", extensions={"rule": "limit"})
    amount = command.policy.parameters.amount
    if command.budget_left < amount:
        if claim.held_for("budget"):
            return wrong_state(claim, "批准")
        return [ClaimHeld("budget", command.today, "下一年度预算")]
    approved = ClaimApproved(command.approver, command.policy.version, amount, command.budget_line, command.today)
    return [HoldLifted("budget"), approved] if claim.held_for("budget") else [approved]


def _order(command: OrderPayment, claim: Claim) -> Decision:
    if claim.batch_id != command.batch_id or claim.status != "payable" or claim.amount is None:
        return wrong_state(claim, "发放")
    if command.blocked is not None and not claim.held_for(command.blocked):
        return [ClaimHeld(command.blocked, command.today, WAITS_FOR_DISTRICT), PaymentDropped(command.batch_id)]
    if claim.holds or not claim.payee_checked:
        return [PaymentDropped(command.batch_id)]
    return [PaymentOrdered(command.batch_id, claim.attempts + 1, claim.amount)]


def _settle(command: SettlePayment, claim: Claim) -> Decision:
    if claim.batch_id != command.batch_id or claim.amount is None:
        return Rejection(code="not_in_batch", detail="这个申请不在此批次中")
    if claim.status not in ("payment_ordered", "payment_unknown"):
        return [] if claim.status == "paid" and command.outcome == "paid" else wrong_state(claim, "登记发放结果")
    match command.outcome:
        case "paid":
            return [ClaimPaid(command.batch_id, claim.amount, command.on)]
        case "returned":
            return [PaymentReturned(command.batch_id, command.reason, command.on)]
        case "unknown":
            return [] if claim.status == "payment_unknown" else [PaymentUnknown(command.batch_id)]
