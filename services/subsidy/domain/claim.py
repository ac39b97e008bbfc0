"""Claim: one founder's request for one subsidy, from submission to payment.   (沪人社规〔2023〕7号 二(二))"""

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from services.subsidy.domain.claim_events import (
    EVENTS,
    ClaimApproved,
    ClaimCorrected,
    ClaimEscalated,
    ClaimEvent,
    ClaimHeld,
    ClaimNoticed,
    ClaimPaid,
    ClaimRecovered,
    ClaimRecovering,
    ClaimRejected,
    ClaimRescreened,
    ClaimReviewed,
    ClaimScreened,
    ClaimSubmitted,
    ClaimWithdrawn,
    CommitmentCarried,
    CorrectionRequested,
    EvidenceAttested,
    HoldLifted,
    HoldReason,
    NoticeEnded,
    OutcomeAttested,
    PayeeAccount,
    PayeeChecked,
    PaymentDropped,
    PaymentOrdered,
    PaymentReserved,
    PaymentReturned,
    PaymentUnknown,
    RecoveryWaived,
    Status,
)
from services.subsidy.domain.facts import Facts
from services.subsidy.domain.payment_order import Order, OrderStatus
from services.subsidy.domain.policy_version import PAYEE, Step
from services.subsidy.domain.screening import Results, RuleResult, results_of
from shared.eventstore.decider import (
    Aggregate,
    Event,
    LimitChange,
    Release,
    ReleasePlace,
    Take,
    TakePlace,
    Use,
    by_type,
)
from shared.values.ids import NoticeId, PaymentBatchId, RecoveryId

CERTIFICATE = "claim/certificate"
ENTITLEMENT = "claim/person-project"
"""One claim per person and entitlement; the name is that of the first entitlement there was, and is storage."""
PERSON_PLACES = "claim/person"
BUDGET = "budget"


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Hold(msgspec.Struct, frozen=True):
    reason: HoldReason
    since: date
    waiting_for: str


Attested = tuple[PaymentBatchId, str, str, date, str]
"""What a person attested of an order: batch, outcome, reason, day, document."""


class OutcomeShown(msgspec.Struct, frozen=True):
    """What one person has shown of how an order ended; it takes a second one."""

    what: Attested
    by: str


class Claim(msgspec.Struct, frozen=True):
    """`orders`: every attempt to pay, in order; at most the last is in flight or paid. `lines`: those it was on."""

    submission: ClaimSubmitted | None = None
    status: Status = "submitted"
    payee: PayeeAccount | None = None
    payee_accounts: int = 0
    policy_version: str | None = None
    amount: Decimal | None = None
    facts: Facts | None = None
    results: Results | None = None
    payee_matches: bool | None = None
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
    orders: tuple[Order, ...] = ()
    outcome_attested: OutcomeShown | None = None
    carried_from: tuple[str, ...] = ()
    recovery_id: RecoveryId | None = None
    reasons: tuple[str, ...] = ()
    attested: dict[str, bool] = {}
    cleared: tuple[HoldReason, ...] = ()
    due_on: date | None = None
    escalated_to: str | None = None

    @property
    def ended(self) -> bool:
        return self.status in ("rejected", "withdrawn", "paid", "recovered")

    @property
    def step(self) -> Step | None:
        """The step of the workflow that the city's people owe now; None while the claimant or the bank is to act."""
        return _STEPS.get(self.status)

    @property
    def payee_checked(self) -> bool:
        """Registry has confirmed the account that stands now, or the version does not ask.   (B-19)"""
        return all(result.passed for result in self.screening if result.rule == PAYEE)

    @property
    def screening(self) -> tuple[RuleResult, ...]:
        """The rules' results as they stand: those of the screening, and registry's answer about the account."""
        found = () if self.results is None else results_of(self.results)
        return found if self.payee_matches is None else tuple(_answered(result, self.payee_matches) for result in found)

    @property
    def attempts(self) -> int:
        return len(self.orders)

    @property
    def net_paid(self) -> bool:
        """Whether money went out that the bank has not sent back; one that is claimed back was paid all the same."""
        return any(order.status == "paid" for order in self.orders)

    def order_in(self, batch_id: PaymentBatchId) -> Order | None:
        """The claim's order in a batch; a claim is in a batch once."""
        return next((order for order in self.orders if order.batch_id == batch_id), None)

    def held_for(self, *reasons: HoldReason) -> Hold | None:
        return next((hold for hold in self.holds if hold.reason in reasons), None)


_STEPS: dict[Status, Step] = {
    "submitted": "review",
    "under_review": "approval",
    "approved": "public_notice",
    "in_public_notice": "public_notice",
    "payable": "payment",
}


def _answered(result: RuleResult, matches: bool) -> RuleResult:
    if result.rule != PAYEE:
        return result
    return replace(result, passed=matches, facts={"holder_is_claimant": matches})


def _submitted(claim: Claim, event: ClaimSubmitted) -> Claim:
    return replace(claim, submission=event, status="submitted", payee=event.payee, payee_accounts=1)


def _screened(claim: Claim, event: ClaimScreened | ClaimRescreened) -> Claim:
    """Also a claim that is screened again: a place once held is kept."""
    return replace(
        claim,
        policy_version=event.policy_version,
        amount=event.amount,
        facts=event.facts,
        results=event.results,
        holds_place=claim.holds_place or event.holds_place,
        places=claim.places if claim.holds_place else event.places,
        due_on=event.due_on,
    )


def _attested(claim: Claim, event: EvidenceAttested) -> Claim:
    return replace(claim, attested={**claim.attested, event.evidence: event.confirmed})


def _escalated(claim: Claim, event: ClaimEscalated) -> Claim:
    return replace(claim, escalated_to=event.escalated_to)


def _payee_checked(claim: Claim, event: PayeeChecked) -> Claim:
    return replace(claim, payee_matches=event.matches)


def _correction_requested(claim: Claim, event: CorrectionRequested) -> Claim:
    asked = claim.corrections_asked + 1
    return replace(
        claim,
        status="correction_requested",
        corrections_asked=asked,
        correction_due=event.due_on,
        due_on=None,
        escalated_to=None,
    )


def _corrected(claim: Claim, event: ClaimCorrected) -> Claim:
    status: Status = "payable" if claim.status in ("payment_returned", "payable") else "submitted"
    accounts = claim.payee_accounts + 1
    return replace(
        claim,
        status=status,
        payee=event.payee,
        payee_accounts=accounts,
        payee_matches=None,
        correction_due=None,
        due_on=event.due_on,
        escalated_to=None,
    )


def _reviewed(claim: Claim, event: ClaimReviewed) -> Claim:
    return replace(claim, status="under_review", reviewer=event.reviewer, due_on=event.due_on, escalated_to=None)


def _approved(claim: Claim, event: ClaimApproved) -> Claim:
    """A version without a public notice leads from approval to payment."""
    return replace(
        claim,
        status="approved" if event.noticed else "payable",
        approver=event.approver,
        policy_version=event.policy_version,
        amount=event.amount,
        budget_line=event.budget_line,
        due_on=event.due_on,
        escalated_to=None,
    )


def _rejected(claim: Claim, event: ClaimRejected) -> Claim:
    return replace(claim, status="rejected", reasons=event.reasons, holds=(), holds_place=False, due_on=None)


def _withdrawn(claim: Claim, event: ClaimWithdrawn) -> Claim:
    return replace(claim, status="withdrawn", holds=(), holds_place=False, due_on=None)


def _held(claim: Claim, event: ClaimHeld) -> Claim:
    return replace(claim, holds=(*claim.holds, Hold(event.reason, event.since, event.waiting_for)))


def _lifted(claim: Claim, event: HoldLifted) -> Claim:
    """What a person has looked into and lifted does not hold the claim again."""
    holds = tuple(hold for hold in claim.holds if hold.reason != event.reason)
    cleared = claim.cleared if event.lifted_by is None else (*claim.cleared, event.reason)
    return _settled(replace(claim, holds=holds, cleared=cleared))


def _noticed(claim: Claim, event: ClaimNoticed) -> Claim:
    return replace(claim, status="in_public_notice", notice_id=event.notice_id)


def _notice_ended(claim: Claim, event: NoticeEnded) -> Claim:
    return _settled(replace(claim, notice_ended=True))


def _reserved(claim: Claim, event: PaymentReserved) -> Claim:
    return replace(claim, batch_id=event.batch_id)


def _dropped(claim: Claim, event: PaymentDropped) -> Claim:
    return replace(claim, batch_id=None)


def _ordered(claim: Claim, event: PaymentOrdered) -> Claim:
    orders = (*claim.orders, Order(event.attempt, event.batch_id, event.amount))
    return replace(claim, status="payment_ordered", orders=orders, due_on=None, escalated_to=None)


def _paid(claim: Claim, event: ClaimPaid) -> Claim:
    return replace(_with_outcome(claim, event.batch_id, "paid", event.paid_on), status="paid")


def _returned(claim: Claim, event: PaymentReturned) -> Claim:
    """Also after `paid`: the claim may then be paid again, for the same entitlement and commitment."""
    returned = _with_outcome(claim, event.batch_id, "returned", event.returned_on)
    return replace(returned, status="payment_returned", batch_id=None, reasons=(event.reason,))


def _unknown(claim: Claim, event: PaymentUnknown) -> Claim:
    return replace(_with_outcome(claim, event.batch_id, "unknown", None), status="payment_unknown")


def _with_outcome(claim: Claim, batch_id: PaymentBatchId, status: OrderStatus, on: date | None) -> Claim:
    shown = claim.outcome_attested
    attested = shown is not None and shown.what[:2] == (batch_id, status)
    orders = tuple(
        replace(order, status=status, ended_on=on, attested=attested) if order.batch_id == batch_id else order
        for order in claim.orders
    )
    return replace(claim, orders=orders, outcome_attested=None)


def _outcome_attested(claim: Claim, event: OutcomeAttested) -> Claim:
    what = (event.batch_id, event.outcome, event.reason, event.on, event.document)
    return replace(claim, outcome_attested=OutcomeShown(what, event.attested_by))


def _carried(claim: Claim, event: CommitmentCarried) -> Claim:
    return replace(claim, budget_line=event.to_line, carried_from=(*claim.carried_from, event.from_line))


def _recovering(claim: Claim, event: ClaimRecovering) -> Claim:
    return replace(claim, status="recovering", recovery_id=event.recovery_id)


def _recovered(claim: Claim, event: ClaimRecovered) -> Claim:
    return replace(claim, status="recovered", holds_place=claim.holds_place and not event.frees_place)


def _waived(claim: Claim, event: RecoveryWaived) -> Claim:
    return replace(claim, status="paid")


def _settled(claim: Claim) -> Claim:
    """A noticed claim becomes payable when its notice has ended and nobody's objection is open."""
    if claim.status == "in_public_notice" and claim.notice_ended and not claim.held_for("objection"):
        return replace(claim, status="payable")
    return claim


evolve: Callable[[Claim, Event], Claim] = by_type(
    {
        ClaimSubmitted: _submitted,
        ClaimScreened: _screened,
        ClaimRescreened: _screened,
        EvidenceAttested: _attested,
        ClaimEscalated: _escalated,
        PayeeChecked: _payee_checked,
        CorrectionRequested: _correction_requested,
        ClaimCorrected: _corrected,
        ClaimReviewed: _reviewed,
        ClaimApproved: _approved,
        ClaimRejected: _rejected,
        ClaimWithdrawn: _withdrawn,
        ClaimHeld: _held,
        HoldLifted: _lifted,
        ClaimNoticed: _noticed,
        NoticeEnded: _notice_ended,
        PaymentReserved: _reserved,
        PaymentDropped: _dropped,
        PaymentOrdered: _ordered,
        ClaimPaid: _paid,
        PaymentReturned: _returned,
        PaymentUnknown: _unknown,
        OutcomeAttested: _outcome_attested,
        CommitmentCarried: _carried,
        ClaimRecovering: _recovering,
        ClaimRecovered: _recovered,
        RecoveryWaived: _waived,
    }
)


# -- limits: what the events hold ------------------------------------------------------------------------------------


def limits(claim: Claim, event: ClaimEvent) -> Iterable[LimitChange]:
    """One claim per certificate and per person and project, a place per subsidy, a commitment per approval."""
    match event:
        case ClaimSubmitted():
            own = Take(ENTITLEMENT, entitlement_key(event.person_id, event.entitlement))
            return (own,) if event.certificate_no is None else (Take(CERTIFICATE, event.certificate_no), own)
        case ClaimScreened(holds_place=True) | ClaimRescreened(holds_place=True) if not claim.holds_place:
            assert claim.submission is not None
            return (TakePlace(PERSON_PLACES, places_key(claim.submission), event.places),)
        case ClaimApproved():
            return (Use(BUDGET, event.budget_line, event.amount),)
        case CommitmentCarried(from_line, to_line, amount):
            return (Use(BUDGET, from_line, -amount), Use(BUDGET, to_line, amount))
        case ClaimRecovered(frees_place=True) if claim.submission is not None:
            return (ReleasePlace(PERSON_PLACES, places_key(claim.submission), claim.places),)
        case ClaimRejected() | ClaimWithdrawn():
            return _freed(claim)
        case _:
            return ()


def _freed(claim: Claim) -> Iterable[LimitChange]:
    """A rejected or withdrawn claim frees its certificate, project and place, and gives its commitment back."""
    if claim.submission is None:
        return
    if claim.submission.certificate_no is not None:
        yield Release(CERTIFICATE, claim.submission.certificate_no)
    yield Release(ENTITLEMENT, entitlement_key(claim.submission.person_id, claim.submission.entitlement))
    if claim.holds_place:
        yield ReleasePlace(PERSON_PLACES, places_key(claim.submission), claim.places)
    if claim.budget_line is not None and claim.amount is not None:
        yield Use(BUDGET, claim.budget_line, -claim.amount)


def entitlement_key(person_id: str, entitlement: str) -> str:
    return f"{person_id}/{entitlement}"


def places_of(person_id: str, programme: str) -> str:
    """Under what a person's places in a programme are counted, over all its versions.   (B-14)"""
    return f"{person_id}/{programme}"


def places_key(submission: ClaimSubmitted) -> str:
    return places_of(submission.person_id, submission.programme)


CLAIM: Aggregate[Claim] = Aggregate("clm", EVENTS, Claim, evolve, limits)
