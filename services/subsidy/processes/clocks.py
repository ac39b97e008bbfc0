"""Clocks: a step, or an objection, that is not done by its last working day is told to the next higher office.

Nothing is decided by a clock: the work stays where it is, and everybody sees whom it waits for.
"""

from collections.abc import Sequence

import msgspec

from services.subsidy.domain.claim_decisions import EscalateClaim
from services.subsidy.domain.claim_events import (
    ClaimApproved,
    ClaimCorrected,
    ClaimRescreened,
    ClaimReviewed,
    ClaimScreened,
    CorrectionRequested,
)
from services.subsidy.domain.notice import NOTICE, EscalateObjection, ObjectionRaised
from services.subsidy.domain.notice import decide as decide_notice
from services.subsidy.processes.parts import DONE, OWN, carried
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.process import Command, Process, Reaction, SetTimer
from shared.eventstore.record import Record, tag_of
from shared.eventstore.work import Answer, Work
from shared.values.calendar import end_of_day, shanghai_date

TIMED = (ClaimScreened, ClaimRescreened, CorrectionRequested, ClaimCorrected, ClaimReviewed, ClaimApproved)


def _time_step(record: Record) -> Sequence[Reaction]:
    event = OWN.decode(record.type, record.payload)
    assert isinstance(event, TIMED)
    if event.due_on is None:
        return ()
    return (SetTimer(key=record.stream, due_at=end_of_day(event.due_on), payload=b""),)


def _escalate_step(key: str, payload: bytes) -> Sequence[Command]:
    def handle(work: Work) -> Answer | Rejection:
        return carried(work, key, EscalateClaim(shanghai_date(work.now)))

    return (Command(needs=Needs(streams=(key,)), handler=handle),)


STEPS = Process(
    name="claim-clock", on=frozenset(tag_of(event) for event in TIMED), react=_time_step, wake=_escalate_step
)


class _Of(msgspec.Struct, frozen=True):
    notice_id: str
    objection_id: str


def _time_objection(record: Record) -> Sequence[Reaction]:
    event = OWN.decode(record.type, record.payload)
    assert isinstance(event, ObjectionRaised)
    of = msgspec.json.encode(_Of(event.notice_id, event.objection_id))
    return (SetTimer(key=event.objection_id, due_at=end_of_day(event.settle_by), payload=of),)


def _escalate_objection(key: str, payload: bytes) -> Sequence[Command]:
    of = msgspec.json.decode(payload, type=_Of)

    def handle(work: Work) -> Answer | Rejection:
        notice = work.state(NOTICE, of.notice_id)
        decision = decide_notice(EscalateObjection(of.objection_id, shanghai_date(work.now)), notice)
        if isinstance(decision, Rejection):
            return decision
        work.append(NOTICE, of.notice_id, decision)
        return DONE

    return (Command(needs=Needs(streams=(of.notice_id,)), handler=handle),)


OBJECTIONS = Process(
    name="objection-clock", on=frozenset({tag_of(ObjectionRaised)}), react=_time_objection, wake=_escalate_objection
)

PROCESSES = (STEPS, OBJECTIONS)
