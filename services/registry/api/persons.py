"""`/v1/persons`: people, registered once each, whose personal data is sealed and disclosed only for a purpose."""

from collections.abc import Callable
from datetime import date
from typing import Annotated

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from services.registry.api.fields import PersonPath
from services.registry.api.person_view import Disclosed, Disclosures, Matched, PersonFound, PersonShown, shown
from services.registry.domain.disclosure import DISCLOSURE, PersonalDataDisclosed, Purpose
from services.registry.domain.person import (
    PERSON,
    ErasePerson,
    Ground,
    LiftRestriction,
    Person,
    PersonCommand,
    RegisterPerson,
    ReportDeath,
    RestrictPerson,
    decide,
)
from services.registry.identities import IdentityIndex, index_in
from shared.eventstore.decider import Rejection, Take
from shared.eventstore.needs import Needs
from shared.eventstore.store import new_context
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.values.categories import IdentityCategory
from shared.values.identity_number import IdentityNumber, mask, parse_identity_number
from shared.values.ids import PersonId, new_id, uuid7
from shared.values.personal import Redacted, Sealed
from shared.values.rejected import Invalid
from shared.web.answers import carries_out, gives, shows
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.fields import Day, Mobile, Name, PersonRef
from shared.web.peers import PeerUnavailable
from shared.web.problem import Problem, invalid_field, of_rejection
from shared.web.routes import Body, router

api = router("人员")

REGISTRARS = ("app", "district:*/*", "city")


class NewPerson(Body):
    name: Name
    identity_number: Annotated[str, Field(min_length=15, max_length=18)]
    mobile: Mobile
    categories: Annotated[tuple[IdentityCategory, ...], Field(max_length=20)] = ()


class IdentityQuestion(Body):
    identity_number: Annotated[str, Field(min_length=15, max_length=18)]


class MatchQuestion(Body):
    """Whether a name is this person's: the answer is yes or no."""

    name: Name
    purpose: Purpose


class DisclosureRequest(Body):
    person_ids: Annotated[list[PersonRef], Field(min_length=1, max_length=500)]
    purpose: Purpose


class Death(Body):
    died_on: Day


class Restriction(Body):
    ground: Ground


class RetentionDuty(msgspec.Struct, frozen=True):
    """What subsidy says that it must keep of a person."""

    final: bool = False
    open_matters: tuple[str, ...] = ()
    retained_until: date | None = None


def index_of(request: Request) -> IdentityIndex:
    index: IdentityIndex | None = getattr(request.app.state, "identity_index", None)
    if index is None:
        index = index_in(request.app.state.settings)
        request.app.state.identity_index = index
    return index


async def parsed(request: Request, text: str) -> IdentityNumber:
    """The identity number of a body. Raises a 422 that names the field and the reason."""
    found = parse_identity_number(text, shanghai_date(await store_of(request).now()))
    if isinstance(found, Invalid):
        raise invalid_field("/identity_number", found.code, found.message)
    return found


@api.post("/persons", status_code=201, summary="登记人员")
@allow(*REGISTRARS)
@carries_out(PersonShown)
async def register(request: Request, body: NewPerson) -> Response:
    number = await parsed(request, body.identity_number)
    key = index_of(request).key(number.number)
    person_id = PersonId(new_id("per", uuid7()))

    def handle(work: Work) -> Answer | Rejection:
        holder = work.holder(IdentityIndex.SCOPE, key)
        if holder is not None:
            return Rejection(code="person_exists", detail="这个证件号码已登记", extensions={"person_id": holder})
        registration = RegisterPerson(
            person_id,
            body.name,
            number.number,
            number.kind.value,
            body.mobile,
            tuple(category.value for category in body.categories),
        )
        decision = decide(registration, work.state(PERSON, person_id))
        if isinstance(decision, Rejection):
            return decision
        person = work.append(PERSON, person_id, decision)
        work.hold(Take(IdentityIndex.SCOPE, key), person_id)
        return answer(work, person_id, shown(person_id, person), 201)

    needs = Needs(unique=((IdentityIndex.SCOPE, key),), subjects=(person_id,))
    return await command(request, needs, handle, location="/v1/persons/{id}")


@api.post("/persons:lookup", summary="按证件号码查找人员")
@allow(*REGISTRARS)
@gives(PersonFound, refuses=(404,))
async def lookup(request: Request, body: IdentityQuestion) -> Response:
    number = await parsed(request, body.identity_number)
    key = index_of(request).key(number.number)
    work = await store_of(request).look(Needs(unique=((IdentityIndex.SCOPE, key),)))
    holder = work.holder(IdentityIndex.SCOPE, key)
    if holder is None:
        raise of_rejection(unknown("人员"))
    return Response(msgspec.json.encode(PersonFound(holder)), media_type="application/json")


@api.get("/persons/{person_id}", summary="人员（不含个人信息）")
@allow(*REGISTRARS, "service:*", "auditor")
@shows(PersonShown)
async def read(request: Request, person_id: PersonPath) -> Response:
    work = await store_of(request).look(Needs(streams=(person_id,)))
    if not work.exists(person_id):
        raise of_rejection(unknown("人员"))
    found = answer(work, person_id, shown(person_id, work.state(PERSON, person_id)))
    return current(request, found)


@api.post("/persons/{person_id}:report-death", summary="登记死亡", operation_id="reportDeath")
@allow("city")
@carries_out(PersonShown)
async def report_death(request: Request, person_id: PersonPath, body: Death) -> Response:
    return await _decided(request, person_id, lambda today: ReportDeath(body.died_on, today))


@api.post(
    "/persons/{person_id}:restrict",
    summary="限制处理：只存储，不再使用",
    description="限制后只存储不使用（个人信息保护法第四十七条）。",
)
@allow("city")
@carries_out(PersonShown)
async def restrict(request: Request, person_id: PersonPath, body: Restriction) -> Response:
    by = caller_of(request).person
    return await _decided(request, person_id, lambda today: RestrictPerson(body.ground, by, today))


@api.post("/persons/{person_id}:lift-restriction", summary="解除限制", operation_id="liftRestriction")
@allow("city")
@carries_out(PersonShown)
async def lift_restriction(request: Request, person_id: PersonPath) -> Response:
    by = caller_of(request).person
    return await _decided(request, person_id, lambda today: LiftRestriction(by, today))


@api.post(
    "/persons/{person_id}:erase",
    summary="删除个人信息：由限制人以外的另一人决定，不可恢复",
    description="依法须留存的，期满后自动删除；此前保持限制处理。",
)
@allow("city")
@carries_out(PersonShown)
async def erase(request: Request, person_id: PersonPath) -> Response:
    """Where a record has to be kept by law, the person stays restricted until that ends, and is erased then."""
    by = caller_of(request).person
    person = (await store_of(request).look(Needs(streams=(person_id,)))).state(PERSON, person_id)
    may = person.restricted_by not in (None, by)
    found = await _duty(request, person_id) if may else RetentionDuty()
    return await _decided(
        request, person_id, lambda today: ErasePerson(by, today, found.open_matters, found.retained_until)
    )


async def _duty(request: Request, person_id: str) -> RetentionDuty:
    """What subsidy must keep. Raises a 503 until the restriction has reached it."""
    try:
        duty = await request.app.state.peers.get("subsidy", f"/v1/retentions/{person_id}")
    except PeerUnavailable:
        duty = None
    found = None if duty is None else msgspec.convert(duty, RetentionDuty)
    if found is None or not found.final:
        raise Problem(503, "fact_pending", "暂时无法核实保存义务，请稍后重试", headers={"Retry-After": "2"})
    return found


async def _decided(request: Request, person_id: str, wanted: Callable[[date], PersonCommand]) -> Response:
    def handle(work: Work) -> Answer | Rejection:
        decision = decide(wanted(shanghai_date(work.now)), work.state(PERSON, person_id))
        if isinstance(decision, Rejection):
            return decision
        return answer(work, person_id, shown(person_id, work.append(PERSON, person_id, decision)))

    return await command(request, Needs(streams=(person_id,)), handle)


@api.post("/persons/{person_id}:match", summary="姓名是否属于此人（只答是或否，留痕）")
@allow("service:*")
@gives(Matched, refuses=(409,))
async def match(request: Request, person_id: PersonPath, body: MatchQuestion) -> Response:
    work = await store_of(request).look(Needs(streams=(person_id,)))
    if not work.exists(person_id):
        raise of_rejection(unknown("人员"))
    _may_be_used(work.state(PERSON, person_id), body.purpose)
    name = await _opened(request, work, person_id, "name")
    matches = name == body.name
    await _record(request, [person_id], ["name"], body.purpose, revealed=False)
    return Response(msgspec.json.encode(Matched(matches)), media_type="application/json")


@api.post("/persons:disclose", summary="为指定用途提供姓名和遮蔽后的证件号码（留痕）")
@allow("service:subsidy", "service:loans")
@gives(Disclosures, refuses=(409,))
async def disclose(request: Request, body: DisclosureRequest) -> Response:
    work = await store_of(request).look(Needs(streams=tuple(body.person_ids)))
    items = []
    for person_id in body.person_ids:
        if not work.exists(person_id):
            raise of_rejection(unknown("人员", "/person_ids"))
        _may_be_used(work.state(PERSON, person_id), body.purpose)
        name = await _opened(request, work, person_id, "name")
        number = await _opened(request, work, person_id, "identity_number")
        masked = str(number) if isinstance(number, Redacted) else mask(str(number))
        items.append(Disclosed(person_id, str(name), masked))
    await _record(request, body.person_ids, ["name", "masked_identity_number"], body.purpose, revealed=True)
    return Response(msgspec.json.encode(Disclosures(tuple(items))), media_type="application/json")


def _may_be_used(person: Person, purpose: Purpose) -> None:
    """Restricted data serves what is under way, and is recommended to nobody any more."""
    if person.restricted_by is not None and purpose == "whitelist_delivery":
        raise Problem(409, "person_restricted", "该人员的个人信息已限制处理，不能用于此用途")


async def _opened(request: Request, work: Work, person_id: str, field: str) -> object:
    """A sealed field of a person in clear; the event that carries it is the stream's first."""
    sealed = getattr(work.state(PERSON, person_id), field)
    if not isinstance(sealed, Sealed):
        raise Problem(500, "internal_error", "服务内部错误，已记录")
    registered = work.history(person_id)[0]
    return (await store_of(request).disclose([(registered.id, sealed)]))[0]


async def _record(
    request: Request, person_ids: list[str], fields: list[str], purpose: Purpose, *, revealed: bool
) -> None:
    """Every look at personal data is an event: who, whose, which fields, why."""
    stream = new_id("dis", uuid7())
    caller = caller_of(request)

    def handle(work: Work) -> Answer:
        event = PersonalDataDisclosed(caller.client, tuple(person_ids), tuple(fields), purpose, revealed)
        work.append(DISCLOSURE, stream, [event])
        return Answer(204, b"")

    await store_of(request).carry_out(Needs(), handle, new_context(caller.actor()))
