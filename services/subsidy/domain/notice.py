"""Public notice: a frozen list of approved claims, shown masked for a number of working days.   (B-18)"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

import msgspec

from shared.eventstore.decider import Aggregate, Decision, Event, Rejection, Row
from shared.values.calendar import working_days_deadline
from shared.values.ids import ClaimId, NoticeId, PersonId
from shared.values.personal import Personal

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


class NoticePublished(Event, frozen=True, tag="subsidy.NoticePublished.v1"):
    """The day of publication is not counted; the last day is fixed now and may only be extended."""

    notice_id: NoticeId
    published_by: str
    published_on: date
    last_day: date
    calendar_provisional: bool


class ObjectionRaised(Event, frozen=True, tag="subsidy.ObjectionRaised.v1"):
    """Someone objects to one entry; that claim waits, never the whole notice."""

    notice_id: NoticeId
    objection_id: str
    claim_id: ClaimId
    grounds: Personal[str]
    raised_on: date
    settle_by: date


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


NoticeEvent = NoticeDrafted | NoticePublished | ObjectionRaised | ObjectionDecided | NoticeClosed
EVENTS = (NoticeDrafted, NoticePublished, ObjectionRaised, ObjectionDecided, NoticeClosed)


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Objection(msgspec.Struct, frozen=True):
    claim_id: ClaimId
    raised_on: date
    settle_by: date
    upheld: bool | None = None


class Notice(msgspec.Struct, frozen=True):
    id: NoticeId | None = None
    district: str = ""
    title: str = ""
    entries: tuple[Entry, ...] = ()
    published_on: date | None = None
    last_day: date | None = None
    closed: bool = False
    objections: dict[str, Objection] = {}

    @property
    def status(self) -> str:
        if self.closed:
            return "closed"
        return "draft" if self.published_on is None else "published"


def evolve(notice: Notice, event: NoticeEvent) -> Notice:
    replace = msgspec.structs.replace
    match event:
        case NoticeDrafted():
            return Notice(event.notice_id, event.district, event.title, event.entries)
        case NoticePublished():
            return replace(notice, published_on=event.published_on, last_day=event.last_day)
        case ObjectionRaised():
            objection = Objection(event.claim_id, event.raised_on, event.settle_by)
            return replace(notice, objections={**notice.objections, event.objection_id: objection})
        case ObjectionDecided():
            objection = replace(notice.objections[event.objection_id], upheld=event.upheld)
            return replace(notice, objections={**notice.objections, event.objection_id: objection})
        case NoticeClosed():
            return replace(notice, closed=True)


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class DraftNotice(msgspec.Struct, frozen=True):
    notice_id: NoticeId
    district: str
    title: str
    entries: tuple[Entry, ...]
    by: str


class PublishNotice(msgspec.Struct, frozen=True):
    by: str
    today: date
    working_days: int


class RaiseObjection(msgspec.Struct, frozen=True):
    objection_id: str
    claim_id: ClaimId
    grounds: Personal[str]
    today: date
    working_days: int


class DecideObjection(msgspec.Struct, frozen=True):
    objection_id: str
    upheld: bool
    reasons: str
    by: str
    today: date


class CloseNotice(msgspec.Struct, frozen=True):
    today: date


NoticeCommand = DraftNotice | PublishNotice | RaiseObjection | DecideObjection | CloseNotice


def decide(command: NoticeCommand, notice: Notice) -> Decision:
    match command:
        case DraftNotice():
            if not 1 <= len(command.entries) <= MOST_ENTRIES:
                return Rejection(code="notice_size", detail=f"一份公示须有 1 至 {MOST_ENTRIES} 条", status=422)
            return [NoticeDrafted(command.notice_id, command.district, command.title, command.entries, command.by)]
        case _ if notice.id is None:
            return Rejection(code="not_found", detail="没有找到这份公示", status=404)
        case PublishNotice():
            if notice.published_on is not None:
                return Rejection(code="already_published", detail="这份公示已发布")
            deadline = working_days_deadline(command.today, command.working_days)
            return [NoticePublished(notice.id, command.by, command.today, deadline.last_day, deadline.provisional)]
        case RaiseObjection():
            return _raise(command, notice, notice.id)
        case DecideObjection():
            objection = notice.objections.get(command.objection_id)
            if objection is None:
                return Rejection(code="not_found", detail="没有找到这项异议", status=404)
            if objection.upheld is not None:
                return Rejection(code="already_decided", detail="这项异议已作出处理")
            return [
                ObjectionDecided(
                    notice.id,
                    command.objection_id,
                    objection.claim_id,
                    command.upheld,
                    command.reasons,
                    command.by,
                    command.today,
                )
            ]
        case CloseNotice():
            over = notice.last_day is not None and command.today > notice.last_day
            return [NoticeClosed(notice.id)] if over and not notice.closed else []


def _raise(command: RaiseObjection, notice: Notice, notice_id: NoticeId) -> Decision:
    if notice.last_day is None or notice.closed or command.today > notice.last_day:
        return Rejection(code="notice_not_open", detail="不在公示期内，不能提出异议")
    if all(entry.claim_id != command.claim_id for entry in notice.entries):
        return Rejection(code="not_in_notice", detail="这份公示中没有这个申请", status=422)
    settle_by = working_days_deadline(command.today, command.working_days).last_day
    return [
        ObjectionRaised(notice_id, command.objection_id, command.claim_id, command.grounds, command.today, settle_by)
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
