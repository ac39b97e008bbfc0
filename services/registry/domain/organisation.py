"""Organisation: a founder's enterprise, and who holds which role in it since when.   (沪人社规〔2023〕7号 二(二))"""

from datetime import date
from typing import Literal

import msgspec

from shared.eventstore.decider import Aggregate, Decision, Event, LimitChange, Rejection, Take
from shared.values.ids import OrganisationId, PersonId

Status = Literal["registered", "deregistered"]
RoleKind = Literal["legal_representative", "responsible_person", "partner"]

# -- events: what happened; the names are the storage format -------------------------------------------------------


class OrganisationRegistered(Event, frozen=True, tag="registry.OrganisationRegistered.v1"):
    """An organisation became known; `registered_on` is the day of its business registration, `area` its GB/T 2260."""

    organisation_id: OrganisationId
    name: str
    credit_code: str
    area: str
    registered_on: date


class RoleRecorded(Event, frozen=True, tag="registry.RoleRecorded.v1"):
    """A person holds a role from a day on; a partner's share rests on the evidence that is named."""

    organisation_id: OrganisationId
    person_id: PersonId
    role: RoleKind
    since: date
    until: date | None = None
    evidence: str | None = None


class OrganisationDeregistered(Event, frozen=True, tag="registry.OrganisationDeregistered.v1"):
    organisation_id: OrganisationId
    deregistered_on: date


OrganisationEvent = OrganisationRegistered | RoleRecorded | OrganisationDeregistered
EVENTS = (OrganisationRegistered, RoleRecorded, OrganisationDeregistered)


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Role(msgspec.Struct, frozen=True):
    person_id: PersonId
    role: RoleKind
    since: date
    until: date | None = None
    evidence: str | None = None


class Organisation(msgspec.Struct, frozen=True):
    id: OrganisationId | None = None
    name: str = ""
    credit_code: str = ""
    area: str = ""
    registered_on: date | None = None
    deregistered_on: date | None = None
    roles: tuple[Role, ...] = ()

    @property
    def status(self) -> Status:
        return "deregistered" if self.deregistered_on else "registered"


def evolve(organisation: Organisation, event: OrganisationEvent) -> Organisation:
    match event:
        case OrganisationRegistered():
            return msgspec.structs.replace(
                organisation,
                id=event.organisation_id,
                name=event.name,
                credit_code=event.credit_code,
                area=event.area,
                registered_on=event.registered_on,
            )
        case RoleRecorded():
            role = Role(event.person_id, event.role, event.since, event.until, event.evidence)
            return msgspec.structs.replace(organisation, roles=(*organisation.roles, role))
        case OrganisationDeregistered():
            return msgspec.structs.replace(organisation, deregistered_on=event.deregistered_on)


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class RegisterOrganisation(msgspec.Struct, frozen=True):
    organisation_id: OrganisationId
    name: str
    credit_code: str
    area: str
    registered_on: date
    today: date
    credit_code_holder: str | None


class RecordRole(msgspec.Struct, frozen=True):
    person_id: PersonId
    role: RoleKind
    since: date
    until: date | None
    evidence: str | None
    today: date


class Deregister(msgspec.Struct, frozen=True):
    deregistered_on: date
    today: date


OrganisationCommand = RegisterOrganisation | RecordRole | Deregister


def decide(command: OrganisationCommand, organisation: Organisation) -> Decision:
    match command:
        case RegisterOrganisation(credit_code_holder=str(holder)):
            return Rejection(
                code="organisation_exists",
                detail="这个统一社会信用代码已登记",
                extensions={"organisation_id": holder},
            )
        case RegisterOrganisation():
            if command.registered_on > command.today:
                return Rejection(code="registered_in_future", detail="注册日期不能晚于今天", status=422)
            return [
                OrganisationRegistered(
                    organisation_id=command.organisation_id,
                    name=command.name,
                    credit_code=command.credit_code,
                    area=command.area,
                    registered_on=command.registered_on,
                )
            ]
        case _ if organisation.id is None:
            return Rejection(code="not_found", detail="没有找到这个组织", status=404)
        case RecordRole():
            return _record_role(command, organisation, organisation.id)
        case Deregister():
            return _deregister(command, organisation, organisation.id)


def _record_role(command: RecordRole, organisation: Organisation, id: OrganisationId) -> Decision:
    if organisation.deregistered_on is not None:
        return Rejection(code="organisation_deregistered", detail="该组织已注销，不能再登记角色")
    if command.role == "partner" and not command.evidence:
        return Rejection(code="evidence_missing", detail="登记持股合伙人须提供持股证明材料", status=422)
    if command.since > command.today:
        return Rejection(code="role_in_future", detail="任职起始日期不能晚于今天", status=422)
    if command.until is not None and command.until < command.since:
        return Rejection(code="role_period", detail="任职终止日期不能早于起始日期", status=422)
    recorded = RoleRecorded(
        organisation_id=id,
        person_id=command.person_id,
        role=command.role,
        since=command.since,
        until=command.until,
        evidence=command.evidence,
    )
    known = Role(command.person_id, command.role, command.since, command.until, command.evidence)
    return [] if known in organisation.roles else [recorded]


def _deregister(command: Deregister, organisation: Organisation, id: OrganisationId) -> Decision:
    if organisation.deregistered_on is not None:
        return []
    if command.deregistered_on > command.today:
        return Rejection(code="deregistered_in_future", detail="注销日期不能晚于今天", status=422)
    if organisation.registered_on is not None and command.deregistered_on < organisation.registered_on:
        return Rejection(code="deregistered_before_registered", detail="注销日期不能早于注册日期", status=422)
    return [OrganisationDeregistered(organisation_id=id, deregistered_on=command.deregistered_on)]


def limits(organisation: Organisation, event: OrganisationEvent) -> tuple[LimitChange, ...]:
    """One organisation per credit code (GB 32100)."""
    if isinstance(event, OrganisationRegistered):
        return (Take("organisation/credit-code", event.credit_code),)
    return ()


ORGANISATION: Aggregate[Organisation] = Aggregate("org", EVENTS, Organisation, evolve, limits)
