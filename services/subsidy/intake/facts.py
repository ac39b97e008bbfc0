"""What subsidy keeps of registry's and training's events.

Each fact names the event that told it last, as `stream@version`: a screening passes that on.
"""

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
    categories: tuple[str, ...] = ()
    source: str = ""


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
    source: str = ""


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
    source: str = ""


# -- the foreign events, as far as we use them -------------------------------------------------------------------------


class PersonRegistered(Foreign, frozen=True):
    person_id: str
    categories: tuple[str, ...] = ()


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


def _told_by(record: Record) -> str:
    return f"{record.stream}@{record.version}"


def _person(record: Record, event: PersonRegistered) -> Iterable[Note]:
    yield keep(PersonFact(event.person_id, categories=event.categories, source=_told_by(record)), event.person_id)


def _died(record: Record, event: PersonDied) -> Iterable[Note]:
    yield _changed(PersonFact, event.person_id, record, died_on=event.died_on)


def _restricted(record: Record, event: PersonRestricted | PersonErased) -> Iterable[Note]:
    yield _changed(PersonFact, event.person_id, record, restricted=True)


def _restriction_lifted(record: Record, event: RestrictionLifted) -> Iterable[Note]:
    yield _changed(PersonFact, event.person_id, record, restricted=False)


def _changed(kind: type[Fact], key: str, record: Record, **changes: Any) -> Note:
    source = _told_by(record)
    return Note(kind, key, lambda known: _replace(known, **changes, source=source), needs_known=True)


def _organisation(record: Record, event: OrganisationRegistered) -> Iterable[Note]:
    fact = OrganisationFact(event.organisation_id, event.area, event.registered_on, source=_told_by(record))
    yield keep(fact, event.organisation_id)


def _role(record: Record, event: RoleRecorded) -> Iterable[Note]:
    role = RoleFact(event.person_id, event.role, event.since, event.until, event.evidence)

    def update(known: OrganisationFact) -> OrganisationFact:
        return _replace(known, roles=(*known.roles, role), source=_told_by(record))

    yield Note(OrganisationFact, event.organisation_id, update, needs_known=True)


def _deregistered(record: Record, event: OrganisationDeregistered) -> Iterable[Note]:
    yield _changed(OrganisationFact, event.organisation_id, record, deregistered_on=event.deregistered_on)


def _issued(record: Record, event: CertificateIssued) -> Iterable[Note]:
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
        source=_told_by(record),
    )
    yield keep(fact, event.number)


def _revoked(record: Record, event: CertificateRevoked) -> Iterable[Note]:
    yield _changed(CertificateFact, event.number, record, revoked_on=event.revoked_on)


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
