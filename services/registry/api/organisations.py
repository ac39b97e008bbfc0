"""`/v1/organisations`: founders' enterprises and who holds which role in them."""

from fastapi import Request
from fastapi.responses import Response

from services.registry.api.fields import Filter, OrganisationPath, facets
from services.registry.domain.organisation import (
    ORGANISATION,
    Deregister,
    RecordRole,
    RegisterOrganisation,
    RoleKind,
    Status,
    decide,
)
from services.registry.projections.lists import OrganisationShown
from services.registry.projections.lists import organisation as shown
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.values.ids import OrganisationId, PersonId, new_id, uuid7
from shared.web.answers import carries_out, lists, shows
from shared.web.caller import allow
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.fields import Area, CreditCode, Day, Name, PersonRef
from shared.web.lists import page
from shared.web.problem import of_rejection
from shared.web.routes import Body, router

api = router("组织")

REGISTRARS = ("app", "district:*/*", "city")
READERS = (*REGISTRARS, "service:*", "auditor")


class NewOrganisation(Body):
    name: Name
    credit_code: CreditCode
    area: Area
    registered_on: Day


class NewRole(Body):
    person_id: PersonRef
    role: RoleKind
    since: Day
    until: Day | None = None
    evidence: Name | None = None


class Deregistration(Body):
    """`deregistered_on` is today where it is not given."""

    deregistered_on: Day | None = None


@api.post("/organisations", status_code=201, summary="登记组织")
@allow(*REGISTRARS)
@carries_out(OrganisationShown)
async def register(request: Request, body: NewOrganisation) -> Response:
    organisation_id = OrganisationId(new_id("org", uuid7()))

    def handle(work: Work) -> Answer | Rejection:
        decision = decide(
            RegisterOrganisation(
                organisation_id,
                body.name,
                body.credit_code,
                body.area,
                body.registered_on,
                shanghai_date(work.now),
                work.holder("organisation/credit-code", body.credit_code),
            ),
            work.state(ORGANISATION, organisation_id),
        )
        if isinstance(decision, Rejection):
            return decision
        organisation = work.append(ORGANISATION, organisation_id, decision)
        return answer(work, organisation_id, shown(organisation_id, organisation), 201)

    needs = Needs(unique=(("organisation/credit-code", body.credit_code),))
    return await command(request, needs, handle, location="/v1/organisations/{id}")


@api.post("/organisations/{organisation_id}/roles", status_code=201, summary="登记角色", operation_id="recordRole")
@allow(*REGISTRARS)
@carries_out(OrganisationShown)
async def record_role(request: Request, organisation_id: OrganisationPath, body: NewRole) -> Response:
    def handle(work: Work) -> Answer | Rejection:
        if not work.exists(body.person_id):
            return unknown("人员", "/person_id")
        decision = decide(
            RecordRole(
                PersonId(body.person_id), body.role, body.since, body.until, body.evidence, shanghai_date(work.now)
            ),
            work.state(ORGANISATION, organisation_id),
        )
        if isinstance(decision, Rejection):
            return decision
        organisation = work.append(ORGANISATION, organisation_id, decision)
        return answer(work, organisation_id, shown(organisation_id, organisation), 201)

    return await command(request, Needs(streams=(organisation_id, body.person_id)), handle)


@api.post("/organisations/{organisation_id}:deregister", summary="登记注销")
@allow("city")
@carries_out(OrganisationShown)
async def deregister(request: Request, organisation_id: OrganisationPath, body: Deregistration) -> Response:
    def handle(work: Work) -> Answer | Rejection:
        today = shanghai_date(work.now)
        deregistration = Deregister(body.deregistered_on or today, today)
        decision = decide(deregistration, work.state(ORGANISATION, organisation_id))
        if isinstance(decision, Rejection):
            return decision
        organisation = work.append(ORGANISATION, organisation_id, decision)
        return answer(work, organisation_id, shown(organisation_id, organisation))

    return await command(request, Needs(streams=(organisation_id,)), handle)


@api.get("/organisations", summary="组织列表")
@allow("city", "auditor", "ops", "district:*/*")
@lists(OrganisationShown)
async def listed(
    request: Request, status: Status | None = None, district: Filter = None, credit_code: Filter = None
) -> Response:
    return await page(request, "organisation", facets(status=status, district=district, credit_code=credit_code))


@api.get("/organisations/{organisation_id}", summary="组织")
@allow(*READERS)
@shows(OrganisationShown)
async def read(request: Request, organisation_id: OrganisationPath) -> Response:
    work = await store_of(request).look(Needs(streams=(organisation_id,)))
    if not work.exists(organisation_id):
        raise of_rejection(unknown("组织"))
    found = answer(work, organisation_id, shown(organisation_id, work.state(ORGANISATION, organisation_id)))
    return current(request, found)
