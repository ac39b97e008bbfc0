"""What can happen to a claim: its events, whose names and fields are the storage format.   (沪人社规〔2023〕7号)"""

from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from services.subsidy.domain.facts import Facts
from services.subsidy.domain.payment_order import ReturnReason
from services.subsidy.domain.policy_version import Step
from services.subsidy.domain.screening import Results
from shared.eventstore.decider import (
    Event,
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
    RecoveryId,
)
from shared.values.personal import Personal

Channel = Literal["app", "window"]
AccountKind = Literal["social_security_card", "bank_account"]
HoldReason = Literal["objection", "policy", "budget", "certificate_revoked", "death", "deregistration", "calendar"]
Status = Literal[
    "submitted", "correction_requested", "under_review", "approved", "in_public_notice", "payable", "payment_ordered",
    "payment_unknown", "paid", "payment_returned", "rejected", "withdrawn", "recovering", "recovered",
]  # fmt: skip


class PayeeAccount(msgspec.Struct, frozen=True):
    """Where the money goes: an account in the claimant's own name.   (B-19)"""

    kind: AccountKind
    holder: Personal[str]
    number: Personal[str]
    bank: str


# -- events: what happened; the names are the storage format -------------------------------------------------------


class ClaimSubmitted(Event, frozen=True, tag="subsidy.ClaimSubmitted.v2"):
    """`judged_on` pins which policy version will judge: the certificate's issue date, else the day of submission.

    `entitlement` is what this person may have once: the training project, or a programme's own measure such as a
    quarter. `evidence` is what the claimant stated, as the version asks.   (B-01, B-13, B-16, B-17)
    """

    claim_id: ClaimId
    programme: str
    person_id: PersonId
    entitlement: str
    review_district: str
    channel: Channel
    accepting_district: str
    judged_on: date
    submitted_on: date
    payee: PayeeAccount
    organisation_id: OrganisationId | None = None
    certificate_id: CertificateId | None = None
    certificate_no: str | None = None
    project_id: ProjectId | None = None
    institution_id: InstitutionId | None = None
    evidence: dict[str, str | int | bool] = msgspec.field(default_factory=dict)


class ClaimScreened(Event, frozen=True, tag="subsidy.ClaimScreened.v2"):
    """The rules' results under one version, with the facts they saw; `holds_place`: one of the person's places.

    `amount` in CNY. `due_on`: the last working day for the review.
    """

    policy_version: str
    amount: Decimal | None
    facts: Facts
    results: Results
    holds_place: bool
    places: int
    due_on: date | None = None


class ClaimRescreened(Event, frozen=True, tag="subsidy.ClaimRescreened.v1"):
    """Screened again because another version is in force now: both results stand side by side.   (B-01)

    The previous ones are empty where no version was in force before.
    """

    previous_version: str | None
    previous_results: Results
    policy_version: str
    amount: Decimal | None
    facts: Facts
    results: Results
    holds_place: bool
    places: int
    due_on: date | None = None


class EvidenceAttested(Event, frozen=True, tag="subsidy.EvidenceAttested.v1"):
    """A reviewer looked at the document behind a piece of evidence, and confirmed it or not."""

    evidence: str
    confirmed: bool
    document: str
    attested_by: str


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
    due_on: date | None = None


class ClaimReviewed(Event, frozen=True, tag="subsidy.ClaimReviewed.v1"):
    """A reviewer recommends approval; a second person decides."""

    reviewer: str
    opinion: str
    reviewed_on: date
    due_on: date | None = None


class ClaimApproved(Event, frozen=True, tag="subsidy.ClaimApproved.v1"):
    """A second person approved; the amount is committed against a budget line.   (B-12, B-17)

    `noticed`: the version's way leads through a public notice.
    """

    approver: str
    policy_version: str
    amount: Decimal
    budget_line: str
    approved_on: date
    due_on: date | None = None
    noticed: bool = True


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
    """`lifted_by`: the person who looked into it; None where what it waited for came about."""

    reason: HoldReason
    lifted_by: str | None = None
    document: str | None = None


class ClaimEscalated(Event, frozen=True, tag="subsidy.ClaimEscalated.v1"):
    """A step was not done by its last day: the next higher office is told. Nothing is decided by it."""

    step: Step
    due_on: date
    escalated_to: str


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
    """退票: the money came back, perhaps after it was paid; the account must be corrected before another attempt."""

    batch_id: PaymentBatchId
    reason: str
    returned_on: date


class PaymentUnknown(Event, frozen=True, tag="subsidy.PaymentUnknown.v1"):
    """The bank cannot say yet. Ends only on evidence, and blocks new attempts."""

    batch_id: PaymentBatchId


class OutcomeAttested(Event, frozen=True, tag="subsidy.OutcomeAttested.v1"):
    """A person showed evidence of how an order ended. A document counts when a second person attests the same."""

    batch_id: PaymentBatchId
    outcome: Literal["paid", "returned"]
    reason: ReturnReason
    on: date
    evidence: Literal["statement", "document"]
    document: str
    attested_by: str


class CommitmentCarried(Event, frozen=True, tag="subsidy.CommitmentCarried.v1"):
    """The unpaid commitment (CNY) moved to the next year's line, as two persons had decided of its line.   (B-12)"""

    from_line: str
    to_line: str
    amount: Decimal
    carried_on: date


class ClaimRecovering(Event, frozen=True, tag="subsidy.ClaimRecovering.v1"):
    """What was paid (CNY) is claimed back."""

    recovery_id: RecoveryId
    amount: Decimal
    recovering_on: date


class ClaimRecovered(Event, frozen=True, tag="subsidy.ClaimRecovered.v1"):
    """All has come back. The certificate and the entitlement stay used; the place only if the version says so."""

    recovery_id: RecoveryId
    frees_place: bool
    recovered_on: date


class RecoveryWaived(Event, frozen=True, tag="subsidy.RecoveryWaived.v1"):
    """Two persons have given up what has not come back: the claim stays paid."""

    recovery_id: RecoveryId
    waived_on: date


ClaimEvent = (
    ClaimSubmitted | ClaimScreened | ClaimRescreened | EvidenceAttested | PayeeChecked | CorrectionRequested
    | ClaimCorrected | ClaimReviewed | ClaimApproved | ClaimRejected | ClaimWithdrawn | ClaimHeld | HoldLifted
    | ClaimEscalated | ClaimNoticed | NoticeEnded | PaymentReserved | PaymentDropped | PaymentOrdered | ClaimPaid
    | PaymentReturned | PaymentUnknown | OutcomeAttested | CommitmentCarried | ClaimRecovering | ClaimRecovered
    | RecoveryWaived
)  # fmt: skip
EVENTS = (
    ClaimSubmitted, ClaimScreened, ClaimRescreened, EvidenceAttested, PayeeChecked, CorrectionRequested,
    ClaimCorrected, ClaimReviewed, ClaimApproved, ClaimRejected, ClaimWithdrawn, ClaimHeld, HoldLifted,
    ClaimEscalated, ClaimNoticed, NoticeEnded, PaymentReserved, PaymentDropped, PaymentOrdered, ClaimPaid,
    PaymentReturned, PaymentUnknown, OutcomeAttested, CommitmentCarried, ClaimRecovering, ClaimRecovered,
    RecoveryWaived,
)  # fmt: skip
