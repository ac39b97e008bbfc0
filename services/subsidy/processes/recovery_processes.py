"""A certificate that is revoked after its claim was paid opens a suggestion; people decide on it.   (B-32)

Whichever comes first, the revocation or the payment: both ways are looked at.
"""

from collections.abc import Sequence

import msgspec

from services.subsidy.domain.claim import CERTIFICATE, CLAIM
from services.subsidy.domain.claim_events import ClaimPaid
from services.subsidy.domain.recovery import RECOVERY, RecoverySuggested, SuggestRecovery, decide, recovery_of
from services.subsidy.intake.facts import CertificateFact, CertificateRevoked
from services.subsidy.processes.parts import DONE
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs, fact_of
from shared.eventstore.process import Command, Process, Reaction
from shared.eventstore.record import Record, tag_of
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.values.ids import ClaimId


def _suggest(work: Work, claim_id: str, certificate_no: str) -> Answer | Rejection:
    claim = work.state(CLAIM, claim_id)
    if claim.submission is None or claim.status != "paid" or claim.amount is None:
        return DONE
    recovery_id = recovery_of(claim_id)
    work.require(recovery_id)
    suggested = RecoverySuggested(
        recovery_id,
        ClaimId(claim_id),
        claim.submission.person_id,
        claim.amount,
        "certificate_revoked",
        certificate_no,
        shanghai_date(work.now),
    )
    decision = decide(SuggestRecovery(suggested), work.state(RECOVERY, recovery_id))
    if isinstance(decision, Rejection):
        return decision
    work.append(RECOVERY, recovery_id, decision)
    return DONE


def _revoked(record: Record) -> Sequence[Reaction]:
    event = msgspec.json.decode(record.payload, type=CertificateRevoked)

    def handle(work: Work) -> Answer | Rejection:
        claim_id = work.holder(CERTIFICATE, event.number)
        if claim_id is None:
            return DONE
        work.require(claim_id)
        return _suggest(work, claim_id, event.number)

    return (Command(needs=Needs(unique=((CERTIFICATE, event.number),)), handler=handle),)


AFTER_REVOCATION = Process(
    name="recovery-after-revocation", on=frozenset({"training.CertificateRevoked.v1"}), react=_revoked
)


def _paid(record: Record) -> Sequence[Reaction]:
    claim_id = record.stream

    def handle(work: Work) -> Answer | Rejection:
        submission = work.state(CLAIM, claim_id).submission
        if submission is None or submission.certificate_no is None:
            return DONE
        number = submission.certificate_no
        work.require(facts=(fact_of(CertificateFact, number),))
        known = work.fact(CertificateFact, number)
        return DONE if known is None or known.revoked_on is None else _suggest(work, claim_id, number)

    return (Command(needs=Needs(streams=(claim_id,)), handler=handle),)


AFTER_PAYMENT = Process(name="recovery-after-payment", on=frozenset({tag_of(ClaimPaid)}), react=_paid)

PROCESSES = (AFTER_REVOCATION, AFTER_PAYMENT)
