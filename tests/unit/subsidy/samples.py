"""Claims, facts and policies for the tests of subsidy, and of whoever reads its events."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import astuple

from services.subsidy.domain.claim_decisions import (
    ApproveClaim,
    CorrectClaim,
    NoticeClaim,
    RejectClaim,
    RequestCorrection,
    ReviewClaim,
    SubmitClaim,
    WithdrawClaim,
    screened,
)
from services.subsidy.domain.claim_events import (
    ClaimApproved,
    ClaimCorrected,
    ClaimEscalated,
    ClaimHeld,
    ClaimNoticed,
    ClaimPaid,
    ClaimRecovered,
    ClaimRecovering,
    ClaimRejected,
    ClaimRescreened,
    ClaimReviewed,
    ClaimSubmitted,
    ClaimWithdrawn,
    CorrectionRequested,
    EvidenceAttested,
    HoldReason,
    NoticeEnded,
    PayeeAccount,
    PayeeChecked,
    PaymentOrdered,
    PaymentReserved,
    PaymentReturned,
    PaymentUnknown,
)
from services.subsidy.domain.claim_payment import SettlePayment
from services.subsidy.domain.facts import Facts, RoleHeld
from services.subsidy.domain.policy_version import Parameters, PolicyVersion
from shared.eventstore.decider import Event
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
from shared.values.personal import Sealed

POLICIES = Path(__file__).parents[3] / "services" / "subsidy" / "policies"
SHIPPED = msgspec.json.decode((POLICIES / "training-fee-subsidy-2023.json").read_bytes(), type=PolicyVersion)
POLICY = msgspec.structs.replace(SHIPPED, examples=())

CLAIM_ID, PERSON, PROJECT = ClaimId("clm_1"), PersonId("per_1"), ProjectId("prj_1")
NOTICE, BATCH, RECOVERY = NoticeId("ntc_1"), PaymentBatchId("pay_1"), RecoveryId("rec_1")
ISSUED, TODAY = date(2025, 1, 10), date(2025, 3, 3)
REVIEWER, APPROVER = "usr_reviewer", "usr_approver"
LINE, AMOUNT = "training-fee-subsidy/2025", Decimal("1800.00")


def policy(version: str = "2023-7", **parameters: Any) -> PolicyVersion:
    changed: Parameters = msgspec.structs.replace(POLICY.parameters, **parameters)
    return msgspec.structs.replace(POLICY, version=version, parameters=changed)


def without(rule: str) -> PolicyVersion:
    """The policy as a version that does not know one of the rules."""
    rules = tuple(item for item in POLICY.rules if item.name != rule)
    return msgspec.structs.replace(POLICY, version=f"without-{rule}", rules=rules)


def payee(box: bytes = b"sealed", person: PersonId = PERSON) -> PayeeAccount:
    return PayeeAccount("bank_account", Sealed(person, "sm4-gcm", 1, box), Sealed(person, "sm4-gcm", 2, box), "银行")


def facts(**changes: Any) -> Facts:
    """Facts that every rule of the policy passes, but the payee, who is still to be asked about."""
    fields: dict[str, Any] = {
        "submitted_on": TODAY,
        "certificate_kind": "qualification",
        "certificate_stage": "start_up",
        "certificate_issued_on": ISSUED,
        "certificate_revoked_on": None,
        "certificate_is_claimants": True,
        "organisation_area": "310115",
        "organisation_registered_on": date(2023, 6, 1),
        "roles": (RoleHeld("legal_representative", date(2023, 6, 1)),),
        "places_held": 0,
    }
    return Facts(**{**fields, **changes})


def submission(**changes: Any) -> ClaimSubmitted:
    fields: dict[str, Any] = {
        "claim_id": CLAIM_ID,
        "programme": "training-fee-subsidy",
        "person_id": PERSON,
        "organisation_id": OrganisationId("org_1"),
        "certificate_id": CertificateId("crt_1"),
        "certificate_no": "SH2025-D1-000001",
        "project_id": PROJECT,
        "entitlement": f"training-fee-subsidy/{PROJECT}",
        "institution_id": InstitutionId("ins_1"),
        "review_district": "310115",
        "channel": "app",
        "accepting_district": "310101",
        "judged_on": ISSUED,
        "submitted_on": TODAY,
        "payee": payee(),
        "evidence": {"months": 3},
    }
    return ClaimSubmitted(**{**fields, **changes})


SUBMITTED = submission()
SCREENED = screened(POLICY, facts(), TODAY)
CHECKED = PayeeChecked(matches=True, account=1)
ASKED = CorrectionRequested(reviewer=REVIEWER, items=("收款账户",), due_on=date(2025, 3, 10))
CORRECTED = ClaimCorrected(payee=payee(b"another"), corrected_on=TODAY)
REVIEWED = ClaimReviewed(reviewer=REVIEWER, opinion="", reviewed_on=TODAY)
APPROVED = ClaimApproved(
    approver=APPROVER,
    policy_version="2023-7",
    amount=AMOUNT,
    budget_line=LINE,
    approved_on=TODAY,
    due_on=date(2025, 3, 31),
)
NOTICED = ClaimNoticed(notice_id=NOTICE, last_day=date(2025, 3, 10))
ENDED = NoticeEnded(notice_id=NOTICE)
RESERVED = PaymentReserved(batch_id=BATCH)
ORDERED = PaymentOrdered(batch_id=BATCH, attempt=1, amount=AMOUNT)
UNKNOWN = PaymentUnknown(batch_id=BATCH)
PAID = ClaimPaid(batch_id=BATCH, amount=AMOUNT, paid_on=TODAY)
RETURNED = PaymentReturned(batch_id=BATCH, reason="户名不符", returned_on=TODAY)
RECOVERING = ClaimRecovering(recovery_id=RECOVERY, amount=AMOUNT, recovering_on=TODAY)
RECOVERED = ClaimRecovered(recovery_id=RECOVERY, frees_place=False, recovered_on=TODAY)
REJECTED = ClaimRejected(decided_by=APPROVER, reasons=("不符合",), rejected_on=TODAY)
WITHDRAWN = ClaimWithdrawn(withdrawn_on=TODAY)


ATTESTED = EvidenceAttested(evidence="months", confirmed=True, document="社保-1", attested_by=REVIEWER)
ESCALATED = ClaimEscalated(step="review", due_on=date(2025, 3, 31), escalated_to="市就业促进中心")


def rescreened(version: PolicyVersion, again: Facts) -> ClaimRescreened:
    """The claim of these samples, screened again under another version."""
    return ClaimRescreened(SCREENED.policy_version, SCREENED.results, *astuple(screened(version, again, TODAY)))


def held(reason: HoldReason) -> ClaimHeld:
    return ClaimHeld(reason=reason, since=TODAY, waiting_for="某人")


_ready: tuple[Event, ...] = (SUBMITTED, SCREENED, CHECKED)
_payable: tuple[Event, ...] = (*_ready, REVIEWED, APPROVED, NOTICED, ENDED)

PASTS: dict[str, tuple[Event, ...]] = {
    "submitted": _ready,
    "correction_requested": (*_ready, ASKED),
    "under_review": (*_ready, REVIEWED),
    "approved": (*_ready, REVIEWED, APPROVED),
    "in_public_notice": (*_ready, REVIEWED, APPROVED, NOTICED),
    "payable": _payable,
    "payable, reserved": (*_payable, RESERVED),
    "payment_ordered": (*_payable, RESERVED, ORDERED),
    "payment_unknown": (*_payable, RESERVED, ORDERED, UNKNOWN),
    "payment_returned": (*_payable, RESERVED, ORDERED, RETURNED),
    "paid": (*_payable, RESERVED, ORDERED, PAID),
    "recovering": (*_payable, RESERVED, ORDERED, PAID, RECOVERING),
    "recovered": (*_payable, RESERVED, ORDERED, PAID, RECOVERING, RECOVERED),
    "rejected": (*_ready, REJECTED),
    "withdrawn": (*_ready, WITHDRAWN),
}
"""A past for every state that a claim can be in."""


def approval(**changes: Any) -> ApproveClaim:
    fields: dict[str, Any] = {
        "approver": APPROVER,
        "policy": POLICY,
        "facts": facts(),
        "budget_line": LINE,
        "budget_left": Decimal("10000.00"),
        "today": TODAY,
    }
    return ApproveClaim(**{**fields, **changes})


def submit(**changes: Any) -> SubmitClaim:
    fields: dict[str, Any] = {
        "submission": SUBMITTED,
        "policy": POLICY,
        "facts": facts(),
        "certificate_claim": None,
        "entitlement_claim": None,
    }
    return SubmitClaim(**{**fields, **changes})


# -- commands ------------------------------------------------------------------------------------------------------

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
