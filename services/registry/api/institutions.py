"""`/v1/institutions`: who may train, and the qualifications that their districts grant."""

from fastapi import Request
from fastapi.responses import Response

from services.registry.api.fields import Filter, InstitutionPath, PartyCode, facets
from services.registry.domain.institution import (
    CODE,
    INSTITUTION,
    GrantQualification,
    InstitutionKind,
    RegisterInstitution,
    decide,
)
from services.registry.projections.lists import InstitutionShown
from services.registry.projections.lists import institution as shown
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.values.ids import InstitutionId, ProjectId, new_id, uuid7
from shared.web.answers import carries_out, lists, shows
from shared.web.caller import Caller, allow, caller_of
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.fields import Day, District, Name, ProjectRef
from shared.web.lists import page
from shared.web.problem import of_rejection
from shared.web.routes import Body, router

api = router("培训机构")

READERS = ("app", "institution:*", "evaluator:*", "district:*/*", "city", "auditor", "ops", "service:*")


class NewInstitution(Body):
    code: PartyCode
    name: Name
    kind: InstitutionKind
    district: District


class NewQualification(Body):
    """For one training project, both days included."""

    project_id: ProjectRef
    from_day: Day
    until_day: Day


def approves_for(caller: Caller) -> tuple[str, ...]:
    """The districts whose approver the caller is."""
    return tuple(district for district in caller.named("district") if caller.holds(f"district:{district}/approver"))


@api.post("/institutions", status_code=201, summary="登记培训机构")
@allow("city", "district:*/approver")
@carries_out(InstitutionShown)
async def register(request: Request, body: NewInstitution) -> Response:
    caller = caller_of(request)
    institution_id = InstitutionId(new_id(INSTITUTION.prefix, uuid7()))

    def handle(work: Work) -> Answer | Rejection:
        registration = RegisterInstitution(
            institution_id,
            body.code,
            body.name,
            body.kind,
            body.district,
            shanghai_date(work.now),
            None if caller.holds("city") else approves_for(caller),
            work.holder(CODE, body.code),
        )
        decision = decide(registration, work.state(INSTITUTION, institution_id))
        if isinstance(decision, Rejection):
            return decision
        institution = work.append(INSTITUTION, institution_id, decision)
        return answer(work, institution_id, shown(institution_id, institution), 201)

    return await command(request, Needs(unique=((CODE, body.code),)), handle, location="/v1/institutions/{id}")


@api.post(
    "/institutions/{institution_id}/qualifications",
    status_code=201,
    summary="授予培训项目资质（本区审批）",
    operation_id="grantQualification",
)
@allow("district:*/approver")
@carries_out(InstitutionShown)
async def grant(request: Request, institution_id: InstitutionPath, body: NewQualification) -> Response:
    caller = caller_of(request)
    _ = caller.person  # an approval is a person's, never a system's

    def handle(work: Work) -> Answer | Rejection:
        approval = GrantQualification(ProjectId(body.project_id), body.from_day, body.until_day, approves_for(caller))
        decision = decide(approval, work.state(INSTITUTION, institution_id))
        if isinstance(decision, Rejection):
            return decision
        institution = work.append(INSTITUTION, institution_id, decision)
        return answer(work, institution_id, shown(institution_id, institution), 201)

    return await command(request, Needs(streams=(institution_id,)), handle)


@api.get("/institutions", summary="培训机构列表")
@allow(*READERS)
@lists(InstitutionShown)
async def listed(request: Request, district: Filter = None, kind: Filter = None, code: Filter = None) -> Response:
    return await page(request, "institution", facets(district=district, kind=kind, code=code))


@api.get("/institutions/{institution_id}", summary="培训机构")
@allow(*READERS)
@shows(InstitutionShown)
async def read(request: Request, institution_id: InstitutionPath) -> Response:
    work = await store_of(request).look(Needs(streams=(institution_id,)))
    if not work.exists(institution_id):
        raise of_rejection(unknown("培训机构"))
    found = answer(work, institution_id, shown(institution_id, work.state(INSTITUTION, institution_id)))
    return current(request, found)
