"""What events make happen to claims: the payee is asked about, notices end, revocations and deaths hold claims."""

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import NamedTuple

import msgspec

from services.subsidy.domain.claim import CERTIFICATE, CLAIM, EVENTS, PERSON_PLACES, ClaimCorrected, ClaimSubmitted
from services.subsidy.domain.claim_decisions import ClaimCommand, EndNotice, HoldClaim, RecordPayeeCheck, decide
from services.subsidy.domain.notice import NOTICE, CloseNotice, NoticePublished
from services.subsidy.domain.notice import decide as decide_notice
from services.subsidy.domain.policy import MOST_PLACES
from services.subsidy.intake.facts import CertificateRevoked, PersonDied, PersonErased
from shared.eventstore.decider import Aggregate, Rejection
from shared.eventstore.interruptions import AskLater
from shared.eventstore.needs import Needs
from shared.eventstore.process import Ask, Command, Process, Reaction, SetTimer
from shared.eventstore.record import EventTypes, Record, tag_of
from shared.eventstore.store import Store
from shared.eventstore.work import Answer, Work
from shared.values.calendar import end_of_day, shanghai_date
from shared.values.ids import NoticeId
from shared.values.personal import REDACTED, Sealed
from shared.web.peers import Peers

OWN = EventTypes([Aggregate("clm", EVENTS, object, lambda state, _: state), NOTICE])
DONE = Answer(204, b"")


class Outside(NamedTuple):
    """Whom subsidy's processes ask: its own vault, and registry."""

    store: Store
    peers: Peers


def _carried(work: Work, claim_id: str, wanted: ClaimCommand) -> Answer | Rejection:
    decision = decide(wanted, work.state(CLAIM, claim_id))
    if isinstance(decision, Rejection):
        return decision
    work.append(CLAIM, claim_id, decision)
    return DONE


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
        return _carried(work, record.stream, RecordPayeeCheck(matches, given))

    return Command(needs=Needs(streams=(record.stream,)), handler=handle)


PAYEE = Process(
    name="payee-check", on=frozenset({tag_of(ClaimSubmitted), tag_of(ClaimCorrected)}), react=_ask_about_payee
)


# -- the notice: its period ends by a timer (B-18) -----------------------------------------------------------------


def _time_notice(record: Record) -> Sequence[Reaction]:
    event = OWN.decode(record.type, record.payload)
    assert isinstance(event, NoticePublished)
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
            _carried(work, entry.claim_id, EndNotice(notice_id))
        return DONE

    return (Command(needs=Needs(streams=(notice_id,)), handler=handle),)


CLOSING = Process(
    name="notice-closing", on=frozenset({tag_of(NoticePublished)}), react=_time_notice, wake=_close_notice
)


# -- what happens elsewhere while a claim is open ------------------------------------------------------------------


def _certificate_revoked(record: Record) -> Sequence[Reaction]:
    """A revoked certificate holds its claim until a person decides.   (B-32)"""
    event = msgspec.json.decode(record.payload, type=CertificateRevoked)

    def handle(work: Work) -> Answer | Rejection:
        claim_id = work.holder(CERTIFICATE, event.number)
        if claim_id is None:
            return DONE
        work.require(claim_id)
        hold = HoldClaim("certificate_revoked", event.revoked_on, "审核区对证书撤销作出处理")
        return _carried(work, claim_id, hold)

    return (Command(needs=Needs(unique=((CERTIFICATE, event.number),)), handler=handle),)


REVOCATION = Process(
    name="certificate-revocation", on=frozenset({"training.CertificateRevoked.v1"}), react=_certificate_revoked
)


def _person_died(record: Record) -> Sequence[Reaction]:
    event = msgspec.json.decode(record.payload, type=PersonDied)
    places = tuple((PERSON_PLACES, f"{event.person_id}/{place}") for place in range(1, MOST_PLACES + 1))

    def handle(work: Work) -> Answer | Rejection:
        claims = work.holders(PERSON_PLACES, event.person_id, MOST_PLACES)
        work.require(*claims)
        for claim_id in claims:
            _carried(work, claim_id, _death(event.died_on))
        return DONE

    return (Command(needs=Needs(unique=places), handler=handle),)


def _death(died_on: date) -> HoldClaim:
    return HoldClaim("death", died_on, "审核区核实继承与发放事宜")


DEATH = Process(name="death", on=frozenset({"registry.PersonDied.v1"}), react=_person_died)

# -- erasure: what registry has erased is unreadable here as well (个人信息保护法 art. 47) --------------------------


def _person_erased(record: Record) -> Sequence[Reaction]:
    event = msgspec.json.decode(record.payload, type=PersonErased)
    return (Ask(ask=partial(_destroy_key, event.person_id)),)


async def _destroy_key(person_id: str, outside: Outside) -> None:
    await outside.store.erase(person_id)


ERASURE = Process(name="erasure", on=frozenset({"registry.PersonErased.v1"}), react=_person_erased)

PROCESSES = (PAYEE, CLOSING, REVOCATION, DEATH, ERASURE)
