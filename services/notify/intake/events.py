"""The steps of others that a person is told of: of each event only what its message says.

A struct's fields are the parameters of its message. What staff wrote, such as reasons and items, is left where it is.
"""

from datetime import date
from decimal import Decimal

from shared.messaging.intake import Foreign


class ClaimSubmitted(Foreign, frozen=True):
    submitted_on: date


class CorrectionRequested(Foreign, frozen=True):
    due_on: date


class ClaimCorrected(Foreign, frozen=True):
    corrected_on: date


class ClaimReviewed(Foreign, frozen=True):
    reviewed_on: date


class ClaimApproved(Foreign, frozen=True):
    amount: Decimal
    approved_on: date


class ClaimRejected(Foreign, frozen=True):
    rejected_on: date


class ClaimWithdrawn(Foreign, frozen=True):
    withdrawn_on: date


class ClaimHeld(Foreign, frozen=True):
    reason: str
    since: date


class HoldLifted(Foreign, frozen=True):
    reason: str


class ClaimNoticed(Foreign, frozen=True):
    last_day: date


class NoticeEnded(Foreign, frozen=True):
    pass


class PaymentOrdered(Foreign, frozen=True):
    amount: Decimal


class ClaimPaid(Foreign, frozen=True):
    amount: Decimal
    paid_on: date


class PaymentReturned(Foreign, frozen=True):
    returned_on: date


class PaymentUnknown(Foreign, frozen=True):
    pass


class ClaimRecovering(Foreign, frozen=True):
    amount: Decimal
    recovering_on: date


class ClaimRecovered(Foreign, frozen=True):
    recovered_on: date


class RecoveryWaived(Foreign, frozen=True):
    waived_on: date


class CertificateIssued(Foreign, frozen=True):
    kind: str
    issued_on: date


class CertificateRevoked(Foreign, frozen=True):
    revoked_on: date


class EntryInEffect(Foreign, frozen=True):
    valid_from: date
    valid_until: date


class EntrySuspended(Foreign, frozen=True):
    cause: str
    suspended_on: date


class EntryRevoked(Foreign, frozen=True):
    cause: str
    revoked_on: date


class EntryExpired(Foreign, frozen=True):
    expired_on: date
