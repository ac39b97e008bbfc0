"""What subsidy keeps of registry's and training's events."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from msgspec.structs import replace as _replace

from shared.eventstore.needs import Fact
from shared.eventstore.record import Record
from shared.messaging.intake import Foreign, Listens, Note, keep

# -- facts -----------------------------------------------------------------------------------------------------------


class PersonFact(Fact, frozen=True):
    """`restricted`: the personal data may not be taken into anything new."""

    person_id: str
    died_on: date | None = None
    restricted: bool = False


class RoleFact(Fact, frozen=True):
    person_id: str
    role: str
    since: date
    until: date | None = None
    evidence: str | None = None


class OrganisationFact(Fact, frozen=True):
    organisation_id: str
    area: str
    registered_on: date
    deregistered_on: date | None = None
    roles: tuple[RoleFact, ...] = ()


class CertificateFact(Fact, frozen=True):
    """Keyed by the certificate's number."""

    certificate_id: str
    number: str
    kind: str
    stage: str
    person_id: str
    project_id: str
    institution_id: str
    district: str
    issued_on: date
    revoked_on: date | None = None


# -- the foreign events, as far as we use them -------------------------------------------------------------------------


class PersonRegistered(Foreign, frozen=True):
    person_id: str


class PersonDied(Foreign, frozen=True):
    person_id: str
    died_on: date


class PersonRestricted(Foreign, frozen=True):
    person_id: str


class RestrictionLifted(Foreign, frozen=True):
    person_id: str


class PersonErased(Foreign, frozen=True):
    person_id: str


class OrganisationRegistered(Foreign, frozen=True):
    organisation_id: str
    area: str
    registered_on: date


class RoleRecorded(Foreign, frozen=True):
    organisation_id: str
    person_id: str
    role: str
    since: date
    until: date | None = None
    evidence: str | None = None


class OrganisationDeregistered(Foreign, frozen=True):
    organisation_id: str
    deregistered_on: date


class CertificateIssued(Foreign, frozen=True):
    certificate_id: str
    number: str
    kind: str
    stage: str
    person_id: str
    project_id: str
    institution_id: str
    district: str
    issued_on: date


class CertificateRevoked(Foreign, frozen=True):
    number: str
    revoked_on: date


# -- what we note of them ------------------------------------------------------------------------------------------


def _person(_: Record, event: PersonRegistered) -> Iterable[Note]:
    yield keep(PersonFact(event.person_id), event.person_id)


def _died(_: Record, event: PersonDied) -> Iterable[Note]:
    yield _changed(event.person_id, died_on=event.died_on)


def _restricted(_: Record, event: PersonRestricted | PersonErased) -> Iterable[Note]:
    yield _changed(event.person_id, restricted=True)


def _restriction_lifted(_: Record, event: RestrictionLifted) -> Iterable[Note]:
    yield _changed(event.person_id, restricted=False)


def _changed(person_id: str, **changes: Any) -> Note:
    return Note(PersonFact, person_id, lambda known: _replace(known, **changes), needs_known=True)


def _organisation(_: Record, event: OrganisationRegistered) -> Iterable[Note]:
    yield keep(OrganisationFact(event.organisation_id, event.area, event.registered_on), event.organisation_id)


def _role(_: Record, event: RoleRecorded) -> Iterable[Note]:
    role = RoleFact(event.person_id, event.role, event.since, event.until, event.evidence)

    def update(known: OrganisationFact) -> OrganisationFact:
        return _replace(known, roles=(*known.roles, role))

    yield Note(OrganisationFact, event.organisation_id, update, needs_known=True)


def _deregistered(_: Record, event: OrganisationDeregistered) -> Iterable[Note]:
    def update(known: OrganisationFact) -> OrganisationFact:
        return _replace(known, deregistered_on=event.deregistered_on)

    yield Note(OrganisationFact, event.organisation_id, update, needs_known=True)


def _issued(_: Record, event: CertificateIssued) -> Iterable[Note]:
    fact = CertificateFact(
        event.certificate_id,
        event.number,
        event.kind,
        event.stage,
        event.person_id,
        event.project_id,
        event.institution_id,
        event.district,
        event.issued_on,
    )
    yield keep(fact, event.number)


def _revoked(_: Record, event: CertificateRevoked) -> Iterable[Note]:
    def update(known: CertificateFact) -> CertificateFact:
        return _replace(known, revoked_on=event.revoked_on)

    yield Note(CertificateFact, event.number, update, needs_known=True)


LISTENS = (
    Listens("registry.PersonRegistered.v1", PersonRegistered, _person),
    Listens("registry.PersonDied.v1", PersonDied, _died),
    Listens("registry.PersonRestricted.v1", PersonRestricted, _restricted),
    Listens("registry.RestrictionLifted.v1", RestrictionLifted, _restriction_lifted),
    Listens("registry.PersonErased.v1", PersonErased, _restricted),
    Listens("registry.OrganisationRegistered.v1", OrganisationRegistered, _organisation),
    Listens("registry.RoleRecorded.v1", RoleRecorded, _role),
    Listens("registry.OrganisationDeregistered.v1", OrganisationDeregistered, _deregistered),
    Listens("training.CertificateIssued.v1", CertificateIssued, _issued),
    Listens("training.CertificateRevoked.v1", CertificateRevoked, _revoked),
)
