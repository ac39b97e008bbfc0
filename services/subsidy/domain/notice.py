"""Public notice: a frozen list of approved claims, shown masked for a number of working days.   (B-18)"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec
from msgspec.structs import replace

from shared.eventstore.decider import Aggregate, Decision, Event, Rejection, Row
from shared.values.calendar import working_days_deadline
from shared.values.ids import ClaimId, NoticeId, PersonId
from shared.values.personal import Personal

NoticeStatus = Literal["draft", "published", "closed"]
MOST_ENTRIES = 200


class Entry(msgspec.Struct, frozen=True):
    """What the public sees of one claim: the name, the masked identity number, the amount. Nothing else."""

    claim_id: ClaimId
    person_id: PersonId
    name: Personal[str]
    masked_identity_number: Personal[str]
    amount: Decimal


# -- events: what happened; the names are the storage format -------------------------------------------------------


class NoticeDrafted(Event, frozen=True, tag="subsidy.NoticeDrafted.v1"):
    notice_id: NoticeId
    district: str
    title: str
    entries: tuple[Entry, ...]
    drafted_by: str
    programme: str = "training-fee-subsidy"


class NoticePublished(Event, frozen=True, tag="subsidy.NoticePublished.v1"):
    """The day of publication is not counted; the last day is fixed now and may only be extended.

    `left_out`: claims that were withdrawn, refused or held since the list was drafted.
    """

    notice_id: NoticeId
    published_by: str
    published_on: date
    last_day: date
    calendar_provisional: bool
    left_out: tuple[ClaimId, ...] = ()


class NoticeExtended(Event, frozen=True, tag="subsidy.NoticeExtended.v1"):
    """The period ends later than was fixed; never earlier."""

    notice_id: NoticeId
    last_day: date
    calendar_provisional: bool
    extended_by: str


class EntryRemoved(Event, frozen=True, tag="subsidy.EntryRemoved.v1"):
    """The claim was withdrawn or refused: its line is taken off the public page at once."""

    notice_id: NoticeId
    claim_id: ClaimId


class ObjectionRaised(Event, frozen=True, tag="subsidy.ObjectionRaised.v1"):
    """Someone objects to one entry; that claim waits, never the whole notice."""

    notice_id: NoticeId
    objection_id: str
    claim_id: ClaimId
    grounds: Personal[str]
    raised_on: date
    settle_by: date
    evidence: tuple[str, ...] = ()


class ObjectionEscalated(Event, frozen=True, tag="subsidy.ObjectionEscalated.v1"):
    """It was not settled by its last day; the next higher office is told."""

    notice_id: NoticeId
    objection_id: str
    settle_by: date
    escalated_to: str


class ObjectionDecided(Event, frozen=True, tag="subsidy.ObjectionDecided.v1"):
    notice_id: NoticeId
    objection_id: str
    claim_id: ClaimId
    upheld: bool
    reasons: str
    decided_by: str
    decided_on: date


class NoticeClosed(Event, frozen=True, tag="subsidy.NoticeClosed.v1"):
    """The period ended and the public page came down."""

    notice_id: NoticeId


NoticeEvent = (
    NoticeDrafted | NoticePublished | NoticeExtended | EntryRemoved | ObjectionRaised | ObjectionEscalated
    | ObjectionDecided | NoticeClosed
)  # fmt: skip
EVENTS = (
    NoticeDrafted, NoticePublished, NoticeExtended, EntryRemoved, ObjectionRaised, ObjectionEscalated,
    ObjectionDecided, NoticeClosed,
)  # fmt: skip


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Objection(msgspec.Struct, frozen=True):
    claim_id: ClaimId
    raised_on: date
    settle_by: date
    upheld: bool | None = None
    evidence: tuple[str, ...] = ()
    escalated_to: str | None = None


class Notice(msgspec.Struct, frozen=True):
    id: NoticeId | None = None
    district: str = ""
    title: str = ""
    programme: str = ""
    entries: tuple[Entry, ...] = ()
    published_on: date | None = None
    last_day: date | None = None
    closed: bool = False
    objections: dict[str, Objection] = {}

    @property
    def status(self) -> NoticeStatus:
        if self.closed:
            return "closed"
        return "draft" if self.published_on is None else "published"


def evolve(notice: Notice, event: NoticeEvent) -> Notice:
    match event:
        case NoticeDrafted():
            return Notice(event.notice_id, event.district, event.title, event.programme, event.entries)
        case NoticePublished():
            published = _without(notice, event.left_out)
            return replace(published, published_on=event.published_on, last_day=event.last_day)
        case NoticeExtended():
            return replace(notice, last_day=event.last_day)
        case EntryRemoved():
            return _without(notice, (event.claim_id,))
        case ObjectionRaised():
            raised = Objection(event.claim_id, event.raised_on, event.settle_by, evidence=event.evidence)
            return _with(notice, event.objection_id, raised)
        case ObjectionEscalated():
            known = notice.objections[event.objection_id]
            return _with(notice, event.objection_id, replace(known, escalated_to=event.escalated_to))
        case ObjectionDecided():
            known = notice.objections[event.objection_id]
            return _with(notice, event.objection_id, replace(known, upheld=event.upheld))
        case NoticeClosed():
            return replace(notice, closed=True)


def _without(notice: Notice, claims: tuple[ClaimId, ...]) -> Notice:
    return replace(notice, entries=tuple(entry for entry in notice.entries if entry.claim_id not in claims))


def _with(notice: Notice, objection_id: str, objection: Objection) -> Notice:
    return replace(notice, objections={**notice.objections, objection_id: objection})


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class DraftNotice(msgspec.Struct, frozen=True):
    notice_id: NoticeId
    district: str
    programme: str
    title: str
    entries: tuple[Entry, ...]
    by: str


class PublishNotice(msgspec.Struct, frozen=True):
    """`left_out`: claims of the draft that cannot be shown any more."""

    by: str
    today: date
    working_days: int
    left_out: tuple[ClaimId, ...] = ()


class ExtendNotice(msgspec.Struct, frozen=True):
    """So many working days more, counted from the last day as it stands."""

    by: str
    today: date
    working_days: int


class RemoveEntry(msgspec.Struct, frozen=True):
    claim_id: ClaimId


class RaiseObjection(msgspec.Struct, frozen=True):
    objection_id: str
    claim_id: ClaimId
    grounds: Personal[str]
    today: date
    working_days: int
    evidence: tuple[str, ...] = ()


class EscalateObjection(msgspec.Struct, frozen=True):
    objection_id: str
    today: date


class DecideObjection(msgspec.Struct, frozen=True):
    objection_id: str
    upheld: bool
    reasons: str
    by: str
    today: date


class CloseNotice(msgspec.Struct, frozen=True):
    today: date


NoticeCommand = (
    DraftNotice | PublishNotice | ExtendNotice | RemoveEntry | RaiseObjection | EscalateObjection | DecideObjection
    | CloseNotice
)  # fmt: skip


def decide(command: NoticeCommand, notice: Notice) -> Decision:
    match command:
        case DraftNotice(notice_id, district, programme, title, entries, by):
            if not 1 <= len(entries) <= MOST_ENTRIES:
                return Rejection(code="notice_size", detail=f"一份公示须有 1 至 {MOST_ENTRIES} 条", status=422)
            return [NoticeDrafted(notice_id, district, title, entries, by, programme)]
        case _ if notice.id is None:
            return Rejection(code="not_found", detail="没有找到这份公示", status=404)
        case PublishNotice():
            return _publish(command, notice, notice.id)
        case ExtendNotice():
            return _extend(command, notice, notice.id)
        case RemoveEntry(claim_id):
            listed = any(entry.claim_id == claim_id for entry in notice.entries)
            return [EntryRemoved(notice.id, claim_id)] if listed and not notice.closed else []
        case RaiseObjection():
            return _raise(command, notice, notice.id)
        case EscalateObjection(objection_id, today):
            objection = notice.objections.get(objection_id)
            if objection is None or objection.upheld is not None or objection.escalated_to is not None:
                return []
            late = today > objection.settle_by
            return [ObjectionEscalated(notice.id, objection_id, objection.settle_by, ESCALATED_TO)] if late else []
        case DecideObjection():
            return _decide(command, notice, notice.id)
        case CloseNotice():
            over = notice.last_day is not None and command.today > notice.last_day
            return [NoticeClosed(notice.id)] if over and not notice.closed else []


def _publish(command: PublishNotice, notice: Notice, notice_id: NoticeId) -> Decision:
    if notice.published_on is not None:
        return Rejection(code="already_published", detail="这份公示已发布")
    if all(entry.claim_id in command.left_out for entry in notice.entries):
        return Rejection(code="nothing_to_notice", detail="名单中已没有可公示的申请")
    deadline = working_days_deadline(command.today, command.working_days)
    return [
        NoticePublished(notice_id, command.by, command.today, deadline.last_day, deadline.provisional, command.left_out)
    ]


def _extend(command: ExtendNotice, notice: Notice, notice_id: NoticeId) -> Decision:
    if notice.last_day is None or notice.closed or command.today > notice.last_day:
        return NOT_OPEN
    deadline = working_days_deadline(notice.last_day, command.working_days)
    return [NoticeExtended(notice_id, deadline.last_day, deadline.provisional, command.by)]


def _decide(command: DecideObjection, notice: Notice, notice_id: NoticeId) -> Decision:
    objection = notice.objections.get(command.objection_id)
    if objection is None:
        return Rejection(code="not_found", detail="没有找到这项异议", status=404)
    if objection.upheld is not None:
        return Rejection(code="already_decided", detail="这项异议已作出处理")
    return [
        ObjectionDecided(
            notice_id,
            command.objection_id,
            objection.claim_id,
            command.upheld,
            command.reasons,
            command.by,
            command.today,
        )
    ]


ESCALATED_TO = "市就业促进中心"
NOT_OPEN = Rejection(code="notice_not_open", detail="不在公示期内")


def _raise(command: RaiseObjection, notice: Notice, notice_id: NoticeId) -> Decision:
    if notice.last_day is None or notice.closed or command.today > notice.last_day:
        return NOT_OPEN
    if all(entry.claim_id != command.claim_id for entry in notice.entries):
        return Rejection(code="not_in_notice", detail="这份公示中没有这个申请", status=422)
    settle_by = working_days_deadline(command.today, command.working_days).last_day
    return [
        ObjectionRaised(
            notice_id,
            command.objection_id,
            command.claim_id,
            command.grounds,
            command.today,
            settle_by,
            command.evidence,
        )
    ]


class ObjectionPlace(msgspec.Struct, frozen=True):
    """Where an objection is: a row of the inline projection `objection`."""

    notice_id: NoticeId
    claim_id: ClaimId


def rows(stream: str, notice: Notice, event: NoticeEvent) -> Iterable[Row]:
    if isinstance(event, ObjectionRaised):
        return (Row("objection", event.objection_id, ObjectionPlace(event.notice_id, event.claim_id)),)
    return ()


NOTICE: Aggregate[Notice] = Aggregate("ntc", EVENTS, Notice, evolve, rows=rows)
