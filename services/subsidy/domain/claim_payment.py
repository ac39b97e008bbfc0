"""How a claim is paid: reserved, ordered, settled by results or evidence, returned, carried over, claimed back.

The payment end of the claim's decisions; the claim's events, state and limits are in `claim.py`.   (B-12, B-19, B-35)
"""

from collections.abc import Iterable
from datetime import date
from typing import Literal

import msgspec

from services.subsidy.domain.claim import Attested, Claim
from services.subsidy.domain.claim_events import (
    ClaimHeld,
    ClaimPaid,
    ClaimRecovered,
    ClaimRecovering,
    CommitmentCarried,
    HoldLifted,
    HoldReason,
    OutcomeAttested,
    PaymentDropped,
    PaymentOrdered,
    PaymentReserved,
    PaymentReturned,
    PaymentUnknown,
    RecoveryWaived,
)
from services.subsidy.domain.payment_order import MOST_ATTEMPTS, RETURN_REASONS, Order, Outcome, ReturnReason, after
from shared.eventstore.decider import Decision, Event, Rejection
from shared.values.ids import PaymentBatchId, RecoveryId

# -- commands and decide: what may happen next ------------------------------------------------------------------------


class ReservePayment(msgspec.Struct, frozen=True):
    batch_id: PaymentBatchId


class OrderPayment(msgspec.Struct, frozen=True):
    """`blocked`: what is known at the moment of release to stand in the way; it holds the claim and drops it."""

    batch_id: PaymentBatchId
    today: date
    blocked: tuple[HoldReason, ...] = ()


class SettlePayment(msgspec.Struct, frozen=True):
    """A line of a bank's result. `on`: the bank's day."""

    batch_id: PaymentBatchId
    outcome: Outcome
    reason: str
    on: date


class AttestOutcome(msgspec.Struct, frozen=True):
    """What a person can show of how an order ended: a bank's statement, or a document that a second person confirms.

    `document`: its reference.
    """

    batch_id: PaymentBatchId
    outcome: Literal["paid", "returned"]
    reason: ReturnReason
    on: date
    evidence: Literal["statement", "document"]
    document: str
    by: str


class CarryCommitment(msgspec.Struct, frozen=True):
    """Move an unpaid commitment to the next year's line. `fits`: that line has room for it."""

    from_line: str
    to_line: str
    today: date
    fits: bool


class FreeForBudget(msgspec.Struct, frozen=True):
    """The line has room again, or not: `fits` says."""

    fits: bool


class RecoverClaim(msgspec.Struct, frozen=True):
    """Two persons have decided that what was paid is claimed back."""

    recovery_id: RecoveryId
    today: date


class EndRecovery(msgspec.Struct, frozen=True):
    """All has come back (`settled`), or two persons have given up what has not.

    `frees_place`: the claim's policy version gives the place back.
    """

    recovery_id: RecoveryId
    settled: bool
    frees_place: bool
    today: date


PaymentCommand = (
    ReservePayment | OrderPayment | SettlePayment | AttestOutcome | CarryCommitment | FreeForBudget | RecoverClaim
    | EndRecovery
)  # fmt: skip

WAITS_FOR_DISTRICT = "审核区人力资源社会保障部门核实"
CARRIED = ("approved", "in_public_notice", "payable", "payment_returned")
"""Approved and not paid, and no order on its way: an order in flight keeps its commitment where it is."""


def decide_payment(command: PaymentCommand, claim: Claim) -> Decision:
    match command:
        case ReservePayment():
            return _reserve(command, claim)
        case OrderPayment():
            return _order(command, claim)
        case SettlePayment():
            return _settle(command, claim)
        case AttestOutcome():
            return _attest_outcome(command, claim)
        case CarryCommitment():
            return _carry(command, claim)
        case FreeForBudget(fits):
            return [HoldLifted("budget")] if fits and claim.held_for("budget") else []
        case RecoverClaim():
            return _recover(command, claim)
        case EndRecovery():
            return _end_recovery(command, claim)


def wrong_state(claim: Claim, act: str) -> Rejection:
    """The rejection of an act that the claim's state, or a hold, does not allow."""
    holds = [hold.reason for hold in claim.holds]
    return Rejection(
        code="wrong_state",
        detail=f"申请当前状态不能{act}",
        extensions={"claim_status": claim.status, "holds": list(holds)},
    )


def standing_in_the_way(blocked: Iterable[HoldReason], today: date, claim: Claim) -> list[ClaimHeld]:
    """What has become known and nobody has looked into yet."""
    new = (reason for reason in blocked if not claim.held_for(reason) and reason not in claim.cleared)
    return [ClaimHeld(reason, today, WAITS_FOR_DISTRICT) for reason in new]


# -- ordering ---------------------------------------------------------------------------------------------------------


def _reserve(command: ReservePayment, claim: Claim) -> Decision:
    if claim.status != "payable" or claim.holds or claim.batch_id is not None:
        return wrong_state(claim, "列入发放批次")
    if not claim.payee_checked:
        return Rejection(code="payee_unchecked", detail="收款账户尚未核实为本人账户，不能列入发放批次")
    if claim.attempts >= MOST_ATTEMPTS:
        return Rejection(code="attempts_exhausted", detail=f"已发放 {MOST_ATTEMPTS} 次均被退回，请改用其他方式")
    return [PaymentReserved(command.batch_id)]


def _order(command: OrderPayment, claim: Claim) -> Decision:
    if claim.batch_id != command.batch_id or claim.status != "payable" or claim.amount is None:
        return wrong_state(claim, "发放")
    if holds := standing_in_the_way(command.blocked, command.today, claim):
        return [*holds, PaymentDropped(command.batch_id)]
    if claim.holds or not claim.payee_checked:
        return [PaymentDropped(command.batch_id)]
    return [PaymentOrdered(command.batch_id, claim.attempts + 1, claim.amount)]


# -- settling: one entitlement, many attempts, at most one in flight, in the end paid once net (B-13, B-19) -----------

NOT_IN_BATCH = Rejection(code="not_in_batch", detail="这个申请不在此批次中")


def _settle(command: SettlePayment, claim: Claim) -> Decision:
    order = claim.order_in(command.batch_id)
    if order is None:
        known = claim.batch_id == command.batch_id
        return wrong_state(claim, "登记发放结果") if known else NOT_IN_BATCH
    return _ended(claim, order, command.outcome, command.reason, command.on)


def _ended(claim: Claim, order: Order, outcome: Outcome, reason: str, on: date) -> Decision:
    then = after(order, outcome, on)
    if then == order.status:
        return []
    if then is None:
        return wrong_state(claim, "登记发放结果")
    if claim.status in ("recovering", "recovered"):
        return Rejection(code="recovery_open", detail="款项正在追回，银行退回的金额请登记为追回款")
    match outcome:
        case "paid":
            return [ClaimPaid(order.batch_id, order.amount, on)]
        case "returned":
            return [PaymentReturned(order.batch_id, reason, on)]
        case "unknown":
            return [PaymentUnknown(order.batch_id)]


def _attest_outcome(command: AttestOutcome, claim: Claim) -> Decision:
    """Ends an order by evidence: a statement by itself, a document when a second person confirms the same of it."""
    order = claim.order_in(command.batch_id)
    if order is None:
        return NOT_IN_BATCH
    ended = _ended(claim, order, command.outcome, RETURN_REASONS[command.reason], command.on)
    if isinstance(ended, Rejection) or not ended:
        return ended
    attested = OutcomeAttested(
        command.batch_id, command.outcome, command.reason, command.on, command.evidence, command.document, command.by
    )
    before = claim.outcome_attested
    if command.evidence == "statement":
        return [attested, *ended]
    if before is None or before.what != _what(command):
        return [attested]
    if before.by == command.by:
        return Rejection(code="second_person_required", detail="书面凭证须由另一人确认", status=403)
    return [attested, *ended]


def _what(command: AttestOutcome) -> Attested:
    return (command.batch_id, command.outcome, command.reason, command.on, command.document)


# -- budget -----------------------------------------------------------------------------------------------------------


def _carry(command: CarryCommitment, claim: Claim) -> Decision:
    unpaid = claim.status in CARRIED and claim.batch_id is None
    if claim.budget_line != command.from_line or claim.amount is None or not unpaid:
        return []
    if not command.fits:
        return Rejection(code="budget_exhausted", detail="下一年度预算余额不足，承诺未能结转")
    return [CommitmentCarried(command.from_line, command.to_line, claim.amount, command.today)]


# -- recovery ---------------------------------------------------------------------------------------------------------


def _recover(command: RecoverClaim, claim: Claim) -> Decision:
    if claim.status != "paid" or claim.recovery_id is not None or claim.amount is None:
        return wrong_state(claim, "追回")
    return [ClaimRecovering(command.recovery_id, claim.amount, command.today)]


def _end_recovery(command: EndRecovery, claim: Claim) -> Decision:
    if claim.status != "recovering" or claim.recovery_id != command.recovery_id:
        return wrong_state(claim, "结束追回")
    ended: Event
    if command.settled:
        ended = ClaimRecovered(command.recovery_id, command.frees_place and claim.holds_place, command.today)
    else:
        ended = RecoveryWaived(command.recovery_id, command.today)
    return [ended]
