"""A claim as its events tell it: the auditor's own fold, which knows nothing of subsidy's code.

It is compared with what subsidy shows; a difference is a finding. Contract tests keep the fields in step.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from shared.eventstore.record import Record

STATUS_AFTER = {
    "subsidy.ClaimSubmitted.v1": "submitted",
    "subsidy.ClaimSubmitted.v2": "submitted",
    "subsidy.CorrectionRequested.v1": "correction_requested",
    "subsidy.ClaimReviewed.v1": "under_review",
    "subsidy.ClaimApproved.v1": "approved",
    "subsidy.ClaimRejected.v1": "rejected",
    "subsidy.ClaimWithdrawn.v1": "withdrawn",
    "subsidy.ClaimNoticed.v1": "in_public_notice",
    "subsidy.PaymentOrdered.v1": "payment_ordered",
    "subsidy.ClaimPaid.v1": "paid",
    "subsidy.PaymentReturned.v1": "payment_returned",
    "subsidy.PaymentUnknown.v1": "payment_unknown",
    "subsidy.ClaimRecovering.v1": "recovering",
    "subsidy.ClaimRecovered.v1": "recovered",
    "subsidy.RecoveryWaived.v1": "paid",
}


class ClaimAsTold(msgspec.Struct, frozen=True):
    """What the events of one claim say. `amount` is the exact text, CNY."""

    claim_id: str = ""
    status: str = ""
    district: str = ""
    person_id: str = ""
    organisation_id: str = ""
    certificate_id: str = ""
    amount: str | None = None
    policy_version: str | None = None
    holds: tuple[str, ...] = ()
    notice_ended: bool = False
    version: int = 0


def evolve(claim: ClaimAsTold, record: Record) -> ClaimAsTold:
    """One more event of the claim's stream, in order of version."""
    event: dict[str, Any] = msgspec.json.decode(record.payload)
    changes: dict[str, Any] = {"version": record.version}
    if (status := STATUS_AFTER.get(record.type)) is not None:
        changes["status"] = status
    match record.type:
        case "subsidy.ClaimSubmitted.v1" | "subsidy.ClaimSubmitted.v2":
            changes |= {
                name: event.get(name, "") for name in ("claim_id", "person_id", "organisation_id", "certificate_id")
            }
            changes["district"] = event["review_district"]
        case "subsidy.ClaimScreened.v1" | "subsidy.ClaimScreened.v2" | "subsidy.ClaimRescreened.v1":
            changes |= {"amount": event["amount"], "policy_version": event["policy_version"]}
        case "subsidy.ClaimApproved.v1":
            changes |= {"amount": event["amount"], "policy_version": event["policy_version"]}
            changes["status"] = "approved" if event.get("noticed", True) else "payable"
        case "subsidy.ClaimCorrected.v1":
            changes["status"] = "payable" if claim.status in ("payment_returned", "payable") else "submitted"
        case "subsidy.ClaimHeld.v1":
            changes["holds"] = (*claim.holds, event["reason"])
        case "subsidy.HoldLifted.v1":
            changes["holds"] = tuple(hold for hold in claim.holds if hold != event["reason"])
        case "subsidy.NoticeEnded.v1":
            changes["notice_ended"] = True
        case "subsidy.ClaimRejected.v1" | "subsidy.ClaimWithdrawn.v1":
            changes["holds"] = ()
    return _settled(msgspec.structs.replace(claim, **changes))


def _settled(claim: ClaimAsTold) -> ClaimAsTold:
    if claim.status == "in_public_notice" and claim.notice_ended and "objection" not in claim.holds:
        return msgspec.structs.replace(claim, status="payable")
    return claim


def fold(records: Iterable[Record]) -> ClaimAsTold:
    """The claim after these records, given in order of version."""
    claim = ClaimAsTold()
    for record in records:
        claim = evolve(claim, record)
    return claim


def differences(told: ClaimAsTold, shown: dict[str, Any]) -> list[str]:
    """Where subsidy's own answer differs from what the events say, as readable lines; empty when it does not."""
    holds = sorted(hold["reason"] for hold in shown["holds"])
    pairs = {
        "status": (told.status, shown["status"]),
        "amount": (told.amount, shown["amount"]),
        "policy_version": (told.policy_version, shown["policy_version"]),
        "review_district": (told.district, shown["review_district"]),
        "person_id": (told.person_id, shown["person_id"]),
        "holds": (sorted(told.holds), holds),
    }
    return [
        f"{name}：事件为 {events}，服务为 {service}" for name, (events, service) in pairs.items() if events != service
    ]
