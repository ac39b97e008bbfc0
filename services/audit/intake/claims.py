"""A claim as its events tell it: the auditor's own fold, which knows nothing of subsidy's code.

It is compared with what subsidy shows; a difference is a finding. Contract tests keep the fields in step.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from shared.eventstore.record import Record
from shared.messaging.intake import Foreign, Intake, Listens, Note

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


class Step(Foreign, frozen=True):
    """Of most events only that they happened."""


class Submitted(Foreign, frozen=True):
    claim_id: str
    person_id: str
    review_district: str
    organisation_id: str | None = None
    certificate_id: str | None = None


class Judged(Foreign, frozen=True):
    amount: str | None
    policy_version: str


class Approved(Judged, frozen=True):
    noticed: bool = True


class Corrected(Foreign, frozen=True):
    pass


class Held(Foreign, frozen=True):
    reason: str


class Lifted(Foreign, frozen=True):
    reason: str


class NoticeEnded(Foreign, frozen=True):
    pass


class Refused(Foreign, frozen=True):
    """Rejected or withdrawn: it waits for nothing any more."""


VIEWS: dict[str, type[Foreign]] = dict.fromkeys(STATUS_AFTER, Step) | {
    "subsidy.ClaimSubmitted.v1": Submitted,
    "subsidy.ClaimSubmitted.v2": Submitted,
    "subsidy.ClaimScreened.v1": Judged,
    "subsidy.ClaimScreened.v2": Judged,
    "subsidy.ClaimRescreened.v1": Judged,
    "subsidy.ClaimApproved.v1": Approved,
    "subsidy.ClaimCorrected.v1": Corrected,
    "subsidy.ClaimHeld.v1": Held,
    "subsidy.HoldLifted.v1": Lifted,
    "subsidy.NoticeEnded.v1": NoticeEnded,
    "subsidy.ClaimRejected.v1": Refused,
    "subsidy.ClaimWithdrawn.v1": Refused,
}
"""What the fold reads of each event that it knows."""


def _nothing_noted(record: Record, event: Foreign) -> Iterable[Note]:
    return ()


READABLE = Intake([Listens(tag, view, _nothing_noted) for tag, view in VIEWS.items()])
"""Its effect writes nothing: it raises `CannotHandle` for what the fold cannot read, and for newer versions of it."""


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
    """One more event of the claim's stream, in order of version; one that the claim has been told of changes nothing.

    A version may be missing: what was parked may have been dropped, and the claim goes on without it. Raises
    `msgspec.MsgspecError` for what is not READABLE.
    """
    if record.version <= claim.version:
        return claim
    changes: dict[str, Any] = {"version": record.version}
    if (status := STATUS_AFTER.get(record.type)) is not None:
        changes["status"] = status
    match _read(record):
        case Submitted() as event:
            changes |= {
                "claim_id": event.claim_id,
                "person_id": event.person_id,
                "organisation_id": event.organisation_id or "",
                "certificate_id": event.certificate_id or "",
                "district": event.review_district,
            }
        case Approved() as event:
            changes |= {"amount": event.amount, "policy_version": event.policy_version}
            changes["status"] = "approved" if event.noticed else "payable"
        case Judged() as event:
            changes |= {"amount": event.amount, "policy_version": event.policy_version}
        case Corrected():
            changes["status"] = "payable" if claim.status in ("payment_returned", "payable") else "submitted"
        case Held() as event:
            changes["holds"] = (*claim.holds, event.reason)
        case Lifted() as event:
            changes["holds"] = tuple(hold for hold in claim.holds if hold != event.reason)
        case NoticeEnded():
            changes["notice_ended"] = True
        case Refused():
            changes["holds"] = ()
    return _settled(msgspec.structs.replace(claim, **changes))


def _read(record: Record) -> Foreign | None:
    view = VIEWS.get(record.type)
    return None if view is None else msgspec.json.decode(record.payload, type=view)


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
