"""Institution: who may train, and for which projects since when.   (沪人社规〔2023〕7号 二(二), 三(三))"""

from datetime import date
from typing import Literal

import msgspec

from shared.eventstore.decider import Aggregate, Decision, Event, LimitChange, Rejection, Take
from shared.values.ids import InstitutionId, ProjectId

InstitutionKind = Literal["vocational_school", "college", "incubation_base"]

# -- events: what happened; the names are the storage format -------------------------------------------------------


class InstitutionRegistered(Event, frozen=True, tag="registry.InstitutionRegistered.v1"):
    """A training institution became known; `code` is what its token names, `district` reviews what it does."""

    institution_id: InstitutionId
    code: str
    name: str
    kind: InstitutionKind
    district: str
    registered_on: date


class QualificationGranted(Event, frozen=True, tag="registry.QualificationGranted.v1"):
    """The institution's district found it fit to train for a project, from a day through another."""

    institution_id: InstitutionId
    project_id: ProjectId
    from_day: date
    until_day: date


InstitutionEvent = InstitutionRegistered | QualificationGranted
EVENTS = (InstitutionRegistered, QualificationGranted)


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Qualification(msgspec.Struct, frozen=True):
    """For one project, both days included."""

    project_id: ProjectId
    from_day: date
    until_day: date


class Institution(msgspec.Struct, frozen=True):
    id: InstitutionId | None = None
    code: str = ""
    name: str = ""
    kind: InstitutionKind = "vocational_school"
    district: str = ""
    registered_on: date | None = None
    qualifications: tuple[Qualification, ...] = ()


def evolve(institution: Institution, event: InstitutionEvent) -> Institution:
    match event:
        case InstitutionRegistered():
            return msgspec.structs.replace(
                institution,
                id=event.institution_id,
                code=event.code,
                name=event.name,
                kind=event.kind,
                district=event.district,
                registered_on=event.registered_on,
            )
        case QualificationGranted():
            granted = Qualification(event.project_id, event.from_day, event.until_day)
            return msgspec.structs.replace(institution, qualifications=(*institution.qualifications, granted))


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class RegisterInstitution(msgspec.Struct, frozen=True):
    """`districts` are those that the registrar acts for, None for the city."""

    institution_id: InstitutionId
    code: str
    name: str
    kind: InstitutionKind
    district: str
    today: date
    districts: tuple[str, ...] | None
    code_holder: str | None


class GrantQualification(msgspec.Struct, frozen=True):
    """`districts` are those that the approver acts for."""

    project_id: ProjectId
    from_day: date
    until_day: date
    districts: tuple[str, ...]


InstitutionCommand = RegisterInstitution | GrantQualification


def decide(command: InstitutionCommand, institution: Institution) -> Decision:
    match command:
        case RegisterInstitution():
            return _register(command)
        case _ if institution.id is None:
            return Rejection(code="not_found", detail="没有找到这个培训机构", status=404)
        case GrantQualification():
            return _grant(command, institution, institution.id)


def _register(command: RegisterInstitution) -> Decision:
    if command.districts is not None and command.district not in command.districts:
        return Rejection(code="not_your_district", detail="只能登记本区的培训机构", status=403)
    if command.code_holder is not None:
        return Rejection(
            code="institution_exists",
            detail="这个机构代码已登记",
            extensions={"institution_id": command.code_holder},
        )
    return [
        InstitutionRegistered(
            institution_id=command.institution_id,
            code=command.code,
            name=command.name,
            kind=command.kind,
            district=command.district,
            registered_on=command.today,
        )
    ]


def _grant(command: GrantQualification, institution: Institution, id: InstitutionId) -> Decision:
    if institution.district not in command.districts:
        return Rejection(code="not_your_district", detail="资质由培训机构所在区审批", status=403)
    if command.until_day < command.from_day:
        return Rejection(code="qualification_period", detail="资质终止日期不能早于起始日期", status=422)
    if Qualification(command.project_id, command.from_day, command.until_day) in institution.qualifications:
        return []
    return [
        QualificationGranted(
            institution_id=id,
            project_id=command.project_id,
            from_day=command.from_day,
            until_day=command.until_day,
        )
    ]


CODE = "institution/code"


def limits(institution: Institution, event: InstitutionEvent) -> tuple[LimitChange, ...]:
    """One institution per code."""
    return (Take(CODE, event.code),) if isinstance(event, InstitutionRegistered) else ()


INSTITUTION: Aggregate[Institution] = Aggregate("ins", EVENTS, Institution, evolve, limits)
