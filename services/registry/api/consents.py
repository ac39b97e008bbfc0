"""`/v1/consents`: a person's separate consent to one purpose towards one kind of recipient, and taking it back."""

from datetime import date
from typing import Literal

import msgspec
from fastapi import Request
from fastapi.responses import Response

from services.registry.api.fields import ConsentPath
from services.registry.domain.person import PERSON, GiveConsent, Person, WithdrawConsent, decide
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.values.ids import ConsentId, new_id, uuid7
from shared.web.answers import carries_out
from shared.web.behalf import ensure_theirs
from shared.web.caller import allow
from shared.web.command import answer, command, unknown
from shared.web.fields import PersonRef
from shared.web.routes import Body, router

api = router("授权")

TAKERS = ("app", "carrier:*", "district:*/*")


class NewConsent(Body):
    person_id: PersonRef
    purpose: Literal["whitelist_recommendation"]
    recipient: Literal["banks"]


class Withdrawal(Body):
    """`person_id` is whose consent it is."""

    person_id: PersonRef


class ConsentShown(msgspec.Struct, frozen=True):
    id: str
    person_id: str
    purpose: str
    recipient: str
    status: Literal["given", "withdrawn"]
    given_on: date
    withdrawn_on: date | None


def shown(person_id: str, consent_id: ConsentId, person: Person) -> ConsentShown:
    consent = person.consents[consent_id]
    return ConsentShown(
        consent_id,
        person_id,
        consent.purpose,
        consent.recipient,
        consent.status,
        consent.given_on,
        consent.withdrawn_on,
    )


@api.post(
    "/consents",
    status_code=201,
    summary="作出授权",
    description="对一项用途、一类接收方的单独同意（个人信息保护法第二十三条）；已有有效授权时原样返回。",
)
@allow(*TAKERS)
@carries_out(ConsentShown)
async def give(request: Request, body: NewConsent) -> Response:
    person_id = body.person_id
    ensure_theirs(request, person_id)
    new = ConsentId(new_id("con", uuid7()))

    def handle(work: Work) -> Answer | Rejection:
        if not work.exists(person_id):
            return unknown("人员", "/person_id")
        consent = GiveConsent(new, body.purpose, body.recipient, shanghai_date(work.now))
        decision = decide(consent, work.state(PERSON, person_id))
        if isinstance(decision, Rejection):
            return decision
        person = work.append(PERSON, person_id, decision)
        consent_id = person.consented(body.purpose, body.recipient) or new
        return answer(work, person_id, shown(person_id, consent_id, person), 201)

    return await command(request, Needs(streams=(person_id,)), handle, on_behalf_of=person_id)


@api.post(
    "/consents/{consent_id}:withdraw", summary="撤回授权", description="撤回后，以此授权进入白名单的记录随即失效。"
)
@allow(*TAKERS)
@carries_out(ConsentShown)
async def withdraw(request: Request, consent_id: ConsentPath, body: Withdrawal) -> Response:
    person_id = body.person_id
    ensure_theirs(request, person_id)
    consent = ConsentId(consent_id)

    def handle(work: Work) -> Answer | Rejection:
        if not work.exists(person_id):
            return unknown("人员", "/person_id")
        decision = decide(WithdrawConsent(consent, shanghai_date(work.now)), work.state(PERSON, person_id))
        if isinstance(decision, Rejection):
            return decision
        person = work.append(PERSON, person_id, decision)
        return answer(work, person_id, shown(person_id, consent, person))

    return await command(request, Needs(streams=(person_id,)), handle, on_behalf_of=person_id)
