"""Claim: one founder's request for one subsidy, from submission to payment.   (沪人社规〔2023〕7号 二(二))"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from services.subsidy.domain.policy import PolicyVersion
from services.subsidy.domain.screening import Facts, RuleResult, screen
from shared.eventstore.decider import (
    Aggregate,
    Decision,
    Event,
    LimitChange,
    Rejection,
    Release,
    ReleasePlace,
    Take,
    TakePlace,
    Use,
)
from shared.values.calendar import add_working_days
from shared.values.ids import (
    CertificateId,
    ClaimId,
    InstitutionId,
    NoticeId,
    OrganisationId,
    PaymentBatchId,
    PersonId,
    ProjectId,
)
from shared.values.personal import Personal

Channel = Literal["app", "window"]
AccountKind = Literal["social_security_card", "bank_account"]
HoldReason = Literal["objection", "policy", "budget", "certificate_revoked", "death", "deregistration", "calendar"]
Status = Literal[
    "submitted", "correction_requested", "under_review", "approved", "in_public_notice", "payable", "payment_ordered",
    "payment_unknown", "paid", "payment_returned", "rejected", "withdrawn", "recovering", "recovered",
]  # fmt: skip

CERTIFICATE = "claim/certificate"
PERSON_PROJECT = "claim/person-project"
PERSON_PLACES = "claim/person"
BUDGET = "budget"


class PayeeAccount(msgspec.Struct, frozen=True):
    """Where the money goes: an account in the claimant's own name.   (B-19)"""

    kind: AccountKind
    holder: Personal[str]
    number: Personal[str]
    bank: str


# -- events: what happened; the names are the storage format -------------------------------------------------------


class ClaimSubmitted(Event, frozen=True, tag="subsidy.ClaimSubmitted.v1"):
    """`judged_on`, the certificate's issue date, pins which policy version will judge.   (B-01, B-16, B-17)"""

    claim_id: ClaimId
    programme: str
    person_id: PersonId
    organisation_id: OrganisationId
    certificate_id: CertificateId
    certificate_no: str
    project_id: ProjectId
    institution_id: InstitutionId
    review_district: str
    channel: Channel
    accepting_district: str
    judged_on: date
    submitted_on: date
    payee: PayeeAccount


class ClaimScreened(Event, frozen=True, tag="subsidy.ClaimScreened.v1"):
    """The rules' results under one version, with the facts they saw; `holds_place`: one of the person's places."""

    policy_version: str
    amount: Decimal
    facts: Facts
    results: tuple[RuleResult, ...]
    holds_place: bool
    places: int


class PayeeChecked(Event, frozen=True, tag="subsidy.PayeeChecked.v1"):
    """Registry's answer whether the account's holder is the claimant; `account` counts the accounts given so far."""

    matches: bool
    account: int


class CorrectionRequested(Event, frozen=True, tag="subsidy.CorrectionRequested.v1"):
    """Asked for once, with everything missing named.   (行政许可法 art. 32)"""

    reviewer: str
    items: tuple[str, ...]
    due_on: date


class ClaimCorrected(Event, frozen=True, tag="subsidy.ClaimCorrected.v1"):
    payee: PayeeAccount
    corrected_on: date


class ClaimReviewed(Event, frozen=True, tag="subsidy.ClaimReviewed.v1"):
    """A reviewer recommends approval; a second person decides."""

    reviewer: str
    opinion: str
    reviewed_on: date


class ClaimApproved(Event, frozen=True, tag="subsidy.ClaimApproved.v1"):
    """A second person approved; the amount is committed against a budget line.   (B-12, B-17)"""

    approver: str
    policy_version: str
    amount: Decimal
    budget_line: str
    approved_on: date


class ClaimRejected(Event, frozen=True, tag="subsidy.ClaimRejected.v1"):
    """A person signed the rejection, with reasons."""

    decided_by: str
    reasons: tuple[str, ...]
    rejected_on: date


class ClaimWithdrawn(Event, frozen=True, tag="subsidy.ClaimWithdrawn.v1"):
    withdrawn_on: date


class ClaimHeld(Event, frozen=True, tag="subsidy.ClaimHeld.v1"):
    """The claim waits: for what, since when, for whom."""

    reason: HoldReason
    since: date
    waiting_for: str


class HoldLifted(Event, frozen=True, tag="subsidy.HoldLifted.v1"):
    reason: HoldReason


class ClaimNoticed(Event, frozen=True, tag="subsidy.ClaimNoticed.v1"):
    """The claim stands in a public notice until the end of `last_day`.   (B-18)"""

    notice_id: NoticeId
    last_day: date


class NoticeEnded(Event, frozen=True, tag="subsidy.NoticeEnded.v1"):
    """The notice's period ended; an open objection still holds this claim."""

    notice_id: NoticeId


class PaymentReserved(Event, frozen=True, tag="subsidy.PaymentReserved.v1"):
    """The claim is part of a batch that is not released yet."""

    batch_id: PaymentBatchId


class PaymentDropped(Event, frozen=True, tag="subsidy.PaymentDropped.v1"):
    """The claim was left out when its batch was released: it was on hold."""

    batch_id: PaymentBatchId


class PaymentOrdered(Event, frozen=True, tag="subsidy.PaymentOrdered.v1"):
    batch_id: PaymentBatchId
    attempt: int
    amount: Decimal


class ClaimPaid(Event, frozen=True, tag="subsidy.ClaimPaid.v1"):
    """The entitlement is used, for good.   (B-13, B-14)"""

    batch_id: PaymentBatchId
    amount: Decimal
    paid_on: date


class PaymentReturned(Event, frozen=True, tag="subsidy.PaymentReturned.v1"):
    """退票: the money came back; the account must be corrected before another attempt."""

    batch_id: PaymentBatchId
    reason: str
    returned_on: date


class PaymentUnknown(Event, frozen=True, tag="subsidy.PaymentUnknown.v1"):
    """The bank cannot say yet. Ends only on evidence, and blocks new attempts."""

    batch_id: PaymentBatchId


ClaimEvent = (
    ClaimSubmitted | ClaimScreened | PayeeChecked | CorrectionRequested | ClaimCorrected | ClaimReviewed
    | ClaimApproved | ClaimRejected | ClaimWithdrawn | ClaimHeld | HoldLifted | ClaimNoticed | NoticeEnded
    | PaymentReserved | PaymentDropped | PaymentOrdered | ClaimPaid | PaymentReturned | PaymentUnknown
)  # fmt: skip
EVENTS = (
    ClaimSubmitted, ClaimScreened, PayeeChecked, CorrectionRequested, ClaimCorrected, ClaimReviewed, ClaimApproved,
    ClaimRejected, ClaimWithdrawn, ClaimHeld, HoldLifted, ClaimNoticed, NoticeEnded, PaymentReserved, PaymentDropped,
    PaymentOrdered, ClaimPaid, PaymentReturned, PaymentUnknown,
)  # fmt: skip


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Hold(msgspec.Struct, frozen=True):
    reason: HoldReason
    since: date
    waiting_for: str


class Claim(msgspec.Struct, frozen=True):
    submission: ClaimSubmitted | None = None
    status: Status = "submitted"
    payee: PayeeAccount | None = None
    payee_accounts: int = 0
    policy_version: str | None = None
    amount: Decimal | None = None
    facts: Facts | None = None
    screening: tuple[RuleResult, ...] = ()
    holds_place: bool = False
    places: int = 0
    holds: tuple[Hold, ...] = ()
    corrections_asked: int = 0
    correction_due: date | None = None
    reviewer: str | None = None
    approver: str | None = None
    budget_line: str | None = None
    notice_id: NoticeId | None = None
    notice_ended: bool = False
    batch_id: PaymentBatchId | None = None
    attempts: int = 0
    reasons: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        return self.status in ("rejected", "withdrawn", "paid", "recovered")

    @property
    def payee_checked(self) -> bool:
        """Registry has confirmed the account that stands now, or the version does not ask.   (B-19)"""
        return all(result.passed for result in self.screening if result.rule == "payee")

    def held_for(self, *reasons: HoldReason) -> Hold | None:
        return next((hold for hold in self.holds if hold.reason in reasons), None)


def evolve(claim: Claim, event: ClaimEvent) -> Claim:
    replace = msgspec.structs.replace
    match event:
        case ClaimSubmitted():
            return replace(claim, submission=event, status="submitted", payee=event.payee, payee_accounts=1)
        case ClaimScreened():
            return replace(
                claim,
                policy_version=event.policy_version,
                amount=event.amount,
                facts=event.facts,
                screening=event.results,
                holds_place=claim.holds_place or event.holds_place,
                places=event.places,
            )
        case PayeeChecked():
            return replace(claim, screening=_with_payee(claim.screening, event.matches))
        case CorrectionRequested():
            return replace(
                claim,
                status="correction_requested",
                corrections_asked=claim.corrections_asked + 1,
                correction_due=event.due_on,
            )
        case ClaimCorrected():
            status: Status = "payable" if claim.status in ("payment_returned", "payable") else "submitted"
            return replace(
                claim,
                status=status,
                payee=event.payee,
                payee_accounts=claim.payee_accounts + 1,
                screening=_with_payee(claim.screening, None),
                correction_due=None,
            )
        case ClaimReviewed():
            return replace(claim, status="under_review", reviewer=event.reviewer)
        case ClaimApproved():
            return replace(
                claim,
                status="approved",
                approver=event.approver,
                policy_version=event.policy_version,
                amount=event.amount,
                budget_line=event.budget_line,
            )
        case ClaimRejected():
            return replace(claim, status="rejected", reasons=event.reasons, holds=(), holds_place=False)
        case ClaimWithdrawn():
            return replace(claim, status="withdrawn", holds=(), holds_place=False)
        case ClaimHeld():
            return replace(claim, holds=(*claim.holds, Hold(event.reason, event.since, event.waiting_for)))
        case HoldLifted():
            return _settled(replace(claim, holds=tuple(hold for hold in claim.holds if hold.reason != event.reason)))
        case ClaimNoticed():
            return replace(claim, status="in_public_notice", notice_id=event.notice_id)
        case NoticeEnded():
            return _settled(replace(claim, notice_ended=True))
        case PaymentReserved():
            return replace(claim, batch_id=event.batch_id)
        case PaymentDropped():
            return replace(claim, batch_id=None)
        case PaymentOrdered():
            return replace(claim, status="payment_ordered", attempts=event.attempt)
        case ClaimPaid():
            return replace(claim, status="paid")
        case PaymentReturned():
            return replace(claim, status="payment_returned", batch_id=None, reasons=(event.reason,))
        case PaymentUnknown():
            return replace(claim, status="payment_unknown")


def _with_payee(results: tuple[RuleResult, ...], matches: bool | None) -> tuple[RuleResult, ...]:
    return tuple(
        msgspec.structs.replace(result, passed=matches, facts={"holder_is_claimant": matches})
        if result.rule == "payee"
        else result
        for result in results
    )


def _settled(claim: Claim) -> Claim:
    """A noticed claim becomes payable when its notice has ended and nobody's objection is open."""
    if claim.status == "in_public_notice" and claim.notice_ended and not claim.held_for("objection"):
        return msgspec.structs.replace(claim, status="payable")
    return claim


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class SubmitClaim(msgspec.Struct, frozen=True):
    """`policy` is the version in force on `submission.judged_on`, None when there is none."""

    submission: ClaimSubmitted
    policy: PolicyVersion | None
    facts: Facts
    certificate_claim: str | None
    project_claim: str | None


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
    batch_id: PaymentBatchId


class SettlePayment(msgspec.Struct, frozen=True):
    batch_id: PaymentBatchId
    outcome: Literal["paid", "returned", "unknown"]
    reason: str
    on: date


ClaimCommand = (
    SubmitClaim | RecordPayeeCheck | RequestCorrection | CorrectClaim | ReviewClaim | ApproveClaim | RejectClaim
    | WithdrawClaim | HoldClaim | LiftHold | NoticeClaim | EndNotice | ReservePayment | OrderPayment | SettlePayment
)  # fmt: skip

IN_REVIEW = ("submitted", "correction_requested", "under_review")
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
            if claim.status not in (*IN_REVIEW, "approved", "in_public_notice", "payable") or claim.batch_id:
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
    return [command.submission, screened(command.policy, command.facts)]


def screened(policy: PolicyVersion, facts: Facts) -> ClaimScreened:
    """The screening of a claim under a version; a place is held where the limit allows it."""
    results = screen(policy, facts)
    free = any(result.rule == "limit" and result.passed for result in results)
    return ClaimScreened(
        policy.version, policy.parameters.amount, facts, results, holds_place=free, places=policy.parameters.places
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


# -- limits: what the events hold ------------------------------------------------------------------------------------


def limits(claim: Claim, event: ClaimEvent) -> Iterable[LimitChange]:
    """One claim per certificate and per person and project, a place per subsidy, a commitment per approval."""
    match event:
        case ClaimSubmitted():
            return (Take(CERTIFICATE, event.certificate_no), Take(PERSON_PROJECT, project_key(event)))
        case ClaimScreened(holds_place=True) if claim.submission is not None and not claim.holds_place:
            return (TakePlace(PERSON_PLACES, claim.submission.person_id, event.places),)
        case ClaimApproved():
            return (Use(BUDGET, event.budget_line, event.amount),)
        case ClaimRejected() | ClaimWithdrawn():
            return _freed(claim)
        case _:
            return ()


def _freed(claim: Claim) -> Iterable[LimitChange]:
    """A rejected or withdrawn claim frees its certificate, project and place, and gives its commitment back."""
    if claim.submission is None:
        return
    yield Release(CERTIFICATE, claim.submission.certificate_no)
    yield Release(PERSON_PROJECT, project_key(claim.submission))
    if claim.holds_place:
        yield ReleasePlace(PERSON_PLACES, claim.submission.person_id, claim.places)
    if claim.budget_line is not None and claim.amount is not None:
        yield Use(BUDGET, claim.budget_line, -claim.amount)


def project_key(submission: ClaimSubmitted) -> str:
    return f"{submission.person_id}/{submission.project_id}"


CLAIM: Aggregate[Claim] = Aggregate("clm", EVENTS, Claim, evolve, limits)
