"""Telling: every step of a claim, certificate or whitelist entry becomes one message to its person."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from services.notify.domain.message import MESSAGE, MessageSent, SendMessage, decide
from services.notify.domain.template import SubjectKind
from services.notify.intake import events
from services.notify.intake.facts import SubjectFact
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs, fact_of
from shared.eventstore.process import Command, Process, Reaction
from shared.eventstore.record import Record
from shared.eventstore.work import Answer, Work
from shared.messaging.intake import Foreign
from shared.values.calendar import shanghai_date
from shared.values.ids import MessageId, PersonId, new_id


class Step(NamedTuple):
    template: str
    event: type[Foreign]


STEPS: Final = {
    "subsidy.ClaimSubmitted.v1": Step("claim_submitted.v1", events.ClaimSubmitted),
    "subsidy.ClaimSubmitted.v2": Step("claim_submitted.v1", events.ClaimSubmitted),
    "subsidy.CorrectionRequested.v1": Step("claim_correction_requested.v1", events.CorrectionRequested),
    "subsidy.ClaimCorrected.v1": Step("claim_corrected.v1", events.ClaimCorrected),
    "subsidy.ClaimReviewed.v1": Step("claim_reviewed.v1", events.ClaimReviewed),
    "subsidy.ClaimApproved.v1": Step("claim_approved.v1", events.ClaimApproved),
    "subsidy.ClaimRejected.v1": Step("claim_rejected.v1", events.ClaimRejected),
    "subsidy.ClaimWithdrawn.v1": Step("claim_withdrawn.v1", events.ClaimWithdrawn),
    "subsidy.ClaimHeld.v1": Step("claim_held.v1", events.ClaimHeld),
    "subsidy.HoldLifted.v1": Step("claim_hold_lifted.v1", events.HoldLifted),
    "subsidy.ClaimNoticed.v1": Step("claim_noticed.v1", events.ClaimNoticed),
    "subsidy.NoticeEnded.v1": Step("claim_notice_ended.v1", events.NoticeEnded),
    "subsidy.PaymentOrdered.v1": Step("claim_payment_ordered.v1", events.PaymentOrdered),
    "subsidy.ClaimPaid.v1": Step("claim_paid.v1", events.ClaimPaid),
    "subsidy.PaymentReturned.v1": Step("claim_payment_returned.v1", events.PaymentReturned),
    "subsidy.PaymentUnknown.v1": Step("claim_payment_unknown.v1", events.PaymentUnknown),
    "subsidy.ClaimRecovering.v1": Step("claim_recovering.v1", events.ClaimRecovering),
    "subsidy.ClaimRecovered.v1": Step("claim_recovered.v1", events.ClaimRecovered),
    "subsidy.RecoveryWaived.v1": Step("claim_recovery_waived.v1", events.RecoveryWaived),
    "training.CertificateIssued.v1": Step("certificate_issued.v1", events.CertificateIssued),
    "training.CertificateRevoked.v1": Step("certificate_revoked.v1", events.CertificateRevoked),
    "loans.EntryInEffect.v1": Step("whitelist_entry_in_effect.v1", events.EntryInEffect),
    "loans.EntrySuspended.v1": Step("whitelist_entry_suspended.v1", events.EntrySuspended),
    "loans.EntryRevoked.v1": Step("whitelist_entry_revoked.v1", events.EntryRevoked),
    "loans.EntryExpired.v1": Step("whitelist_entry_expired.v1", events.EntryExpired),
}

KINDS: Final[dict[str, SubjectKind]] = {"clm": "claim", "crt": "certificate", "wle": "whitelist_entry"}

DEATH: Final = frozenset({"death", "person_died"})
"""Codes of steps that nobody is told of: the person has died."""


def react(record: Record) -> Sequence[Reaction]:
    step = STEPS[record.type]
    event = msgspec.json.decode(record.payload, type=step.event)
    params = {name: str(value) for name, value in msgspec.structs.asdict(event).items()}
    if DEATH.intersection(params.values()):
        return ()
    return [_tell(record, step.template, params)]


def _tell(record: Record, template: str, params: dict[str, str]) -> Command:
    id, subject = message_id(record.id, template), record.stream

    def handle(work: Work) -> Answer | Rejection:
        fact = work.fact(SubjectFact, subject)
        if fact is None:
            # The stream's first event is parked or was dropped: park this one as well, rather than tell nobody.
            raise msgspec.ValidationError(f"不知道 {subject} 属于谁")
        person_id = PersonId(fact.person_id)
        kind = KINDS[subject.partition("_")[0]]
        message = MessageSent(id, person_id, template, kind, subject, params, shanghai_date(work.now))
        decision = decide(SendMessage(message), work.state(MESSAGE, id))
        if isinstance(decision, Rejection):
            return decision
        work.append(MESSAGE, id, decision)
        return Answer(204, b"")

    return Command(needs=Needs(streams=(id,), facts=(fact_of(SubjectFact, subject),)), handler=handle)


def message_id(event: UUID, template: str) -> MessageId:
    """The id of the message that tells of an event: always the same one, and in the order of the events.

    A UUIDv7 with the event's time and counter, whose last 32 bits are a digest of the event's id and the template.
    """
    digest = int.from_bytes(sha256(f"{event}\n{template}".encode()).digest()[:4])
    return MessageId(new_id("msg", UUID(int=event.int >> 32 << 32 | digest)))


TELLING = Process(name="telling", on=frozenset(STEPS), react=react)
