"""Claim: one founder's request for one subsidy, from submission to payment.   (沪人社规〔2023〕7号 二(二))"""

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec
from msgspec.structs import replace

from services.subsidy.domain.screening import Facts, Results, RuleResult, results_of
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
    results: Results
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
    attempts: int = 0
    reasons: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        return self.status in ("rejected", "withdrawn", "paid", "recovered")

    @property
    def payee_checked(self) -> bool:
        """Registry has confirmed the account that stands now, or the version does not ask.   (B-19)"""
        return all(result.passed for result in self.screening if result.rule == "payee")

    @property
    def screening(self) -> tuple[RuleResult, ...]:
        """The rules' results as they stand: those of the screening, and registry's answer about the account."""
        found = () if self.results is None else results_of(self.results)
        return found if self.payee_matches is None else tuple(_answered(result, self.payee_matches) for result in found)

    def held_for(self, *reasons: HoldReason) -> Hold | None:
        return next((hold for hold in self.holds if hold.reason in reasons), None)


def _answered(result: RuleResult, matches: bool) -> RuleResult:
    if result.rule != "payee":
        return result
    return replace(result, passed=matches, facts={"holder_is_claimant": matches})


def _submitted(claim: Claim, event: ClaimSubmitted) -> Claim:
    return replace(claim, submission=event, status="submitted", payee=event.payee, payee_accounts=1)


def _screened(claim: Claim, event: ClaimScreened) -> Claim:
    return replace(
        claim,
        policy_version=event.policy_version,
        amount=event.amount,
        facts=event.facts,
        results=event.results,
        holds_place=claim.holds_place or event.holds_place,
        places=event.places,
    )


def _payee_checked(claim: Claim, event: PayeeChecked) -> Claim:
    return replace(claim, payee_matches=event.matches)


def _correction_requested(claim: Claim, event: CorrectionRequested) -> Claim:
    asked = claim.corrections_asked + 1
    return replace(claim, status="correction_requested", corrections_asked=asked, correction_due=event.due_on)


def _corrected(claim: Claim, event: ClaimCorrected) -> Claim:
    status: Status = "payable" if claim.status in ("payment_returned", "payable") else "submitted"
    accounts = claim.payee_accounts + 1
    return replace(
        claim, status=status, payee=event.payee, payee_accounts=accounts, payee_matches=None, correction_due=None
    )


def _reviewed(claim: Claim, event: ClaimReviewed) -> Claim:
    return replace(claim, status="under_review", reviewer=event.reviewer)


def _approved(claim: Claim, event: ClaimApproved) -> Claim:
    return replace(
        claim,
        status="approved",
        approver=event.approver,
        policy_version=event.policy_version,
        amount=event.amount,
        budget_line=event.budget_line,
    )


def _rejected(claim: Claim, event: ClaimRejected) -> Claim:
    return replace(claim, status="rejected", reasons=event.reasons, holds=(), holds_place=False)


def _withdrawn(claim: Claim, event: ClaimWithdrawn) -> Claim:
    return replace(claim, status="withdrawn", holds=(), holds_place=False)


def _held(claim: Claim, event: ClaimHeld) -> Claim:
    return replace(claim, holds=(*claim.holds, Hold(event.reason, event.since, event.waiting_for)))


def _lifted(claim: Claim, event: HoldLifted) -> Claim:
    return _settled(replace(claim, holds=tuple(hold for hold in claim.holds if hold.reason != event.reason)))


def _noticed(claim: Claim, event: ClaimNoticed) -> Claim:
    return replace(claim, status="in_public_notice", notice_id=event.notice_id)


def _notice_ended(claim: Claim, event: NoticeEnded) -> Claim:
    return _settled(replace(claim, notice_ended=True))


def _reserved(claim: Claim, event: PaymentReserved) -> Claim:
    return replace(claim, batch_id=event.batch_id)


def _dropped(claim: Claim, event: PaymentDropped) -> Claim:
    return replace(claim, batch_id=None)


def _ordered(claim: Claim, event: PaymentOrdered) -> Claim:
    return replace(claim, status="payment_ordered", attempts=event.attempt)


def _paid(claim: Claim, event: ClaimPaid) -> Claim:
    return replace(claim, status="paid")


def _returned(claim: Claim, event: PaymentReturned) -> Claim:
    return replace(claim, status="payment_returned", batch_id=None, reasons=(event.reason,))


def _unknown(claim: Claim, event: PaymentUnknown) -> Claim:
    return replace(claim, status="payment_unknown")


def _settled(claim: Claim) -> Claim:
    """A noticed claim becomes payable when its notice has ended and nobody's objection is open."""
    if claim.status == "in_public_notice" and claim.notice_ended and not claim.held_for("objection"):
        return replace(claim, status="payable")
    return claim


evolve: Callable[[Claim, Event], Claim] = by_type(
    {
        ClaimSubmitted: _submitted,
        ClaimScreened: _screened,
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
    }
)


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
