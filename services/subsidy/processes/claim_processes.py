"""What a claim's own events make happen: the payee is asked about, its line leaves a notice, notices end."""

from collections.abc import Sequence
from functools import partial

from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_decisions import EndNotice, RecordPayeeCheck
from services.subsidy.domain.claim_events import ClaimCorrected, ClaimRejected, ClaimSubmitted, ClaimWithdrawn
from services.subsidy.domain.notice import NOTICE, CloseNotice, NoticeExtended, NoticePublished, RemoveEntry
from services.subsidy.domain.notice import decide as decide_notice
from services.subsidy.processes.parts import DONE, OWN, Outside, carried
from shared.eventstore.decider import Rejection
from shared.eventstore.interruptions import AskLater
from shared.eventstore.needs import Needs
from shared.eventstore.process import Ask, Command, Process, Reaction, SetTimer
from shared.eventstore.record import Record, tag_of
from shared.eventstore.work import Answer, Work
from shared.values.calendar import end_of_day, shanghai_date
from shared.values.ids import ClaimId, NoticeId
from shared.values.personal import REDACTED, Sealed

# -- the payee: registry alone knows whether the account holder is the claimant (B-19) ---


def _ask_about_payee(record: Record) -> Sequence[Reaction]:
    return (Ask(ask=partial(_payee_check, record)),)


async def _payee_check(record: Record, outside: Outside) -> Command | None:
    event = OWN.decode(record.type, record.payload)
    assert isinstance(event, ClaimSubmitted | ClaimCorrected)
    holder = event.payee.holder
    assert isinstance(holder, Sealed)
    name = (await outside.store.disclose([(record.id, holder)]))[0]
    if name is REDACTED:
        return None
    question = {"name": name, "purpose": "payee_check"}
    found = await outside.peers.post("registry", f"/v1/persons/{holder.subject}:match", question)
    if found is None:
        raise AskLater("registry does not know the claimant yet")
    matches = bool(found["matches"])

    def handle(work: Work) -> Answer | Rejection:
        given = sum(
            isinstance(item.event, ClaimSubmitted | ClaimCorrected)
            for item in work.history(record.stream)
            if item.version <= record.version
        )
        return carried(work, record.stream, RecordPayeeCheck(matches, given))

    return Command(needs=Needs(streams=(record.stream,)), handler=handle)


PAYEE = Process(
    name="payee-check", on=frozenset({tag_of(ClaimSubmitted), tag_of(ClaimCorrected)}), react=_ask_about_payee
)


# -- the notice: its period ends by a timer, and who withdraws leaves it (B-18) -------------------------------------


def _time_notice(record: Record) -> Sequence[Reaction]:
    event = OWN.decode(record.type, record.payload)
    assert isinstance(event, NoticePublished | NoticeExtended)
    return (SetTimer(key=event.notice_id, due_at=end_of_day(event.last_day), payload=b""),)


def _close_notice(key: str, payload: bytes) -> Sequence[Command]:
    notice_id = NoticeId(key)

    def handle(work: Work) -> Answer | Rejection:
        notice = work.state(NOTICE, notice_id)
        decision = decide_notice(CloseNotice(shanghai_date(work.now)), notice)
        if isinstance(decision, Rejection) or not decision:
            return DONE
        work.require(*(entry.claim_id for entry in notice.entries))
        work.append(NOTICE, notice_id, decision)
        for entry in notice.entries:
            carried(work, entry.claim_id, EndNotice(notice_id))
        return DONE

    return (Command(needs=Needs(streams=(notice_id,)), handler=handle),)


CLOSING = Process(
    name="notice-closing",
    on=frozenset({tag_of(NoticePublished), tag_of(NoticeExtended)}),
    react=_time_notice,
    wake=_close_notice,
)


def _leave_notice(record: Record) -> Sequence[Reaction]:
    claim_id = ClaimId(record.stream)

    def handle(work: Work) -> Answer | Rejection:
        notice_id = work.state(CLAIM, claim_id).notice_id
        if notice_id is None:
            return DONE
        work.require(notice_id)
        decision = decide_notice(RemoveEntry(claim_id), work.state(NOTICE, notice_id))
        if isinstance(decision, Rejection):
            return decision
        work.append(NOTICE, notice_id, decision)
        return DONE

    return (Command(needs=Needs(streams=(claim_id,)), handler=handle),)


LEAVING = Process(
    name="notice-leaving", on=frozenset({tag_of(ClaimRejected), tag_of(ClaimWithdrawn)}), react=_leave_notice
)

PROCESSES = (PAYEE, CLOSING, LEAVING)
