"""What loans keeps of registry's and training's events."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from msgspec.structs import replace as _replace

from shared.eventstore.needs import Fact
from shared.eventstore.record import Record
from shared.messaging.intake import Foreign, Listens, Note, keep

# -- facts -----------------------------------------------------------------------------------------------------------


class PersonFact(Fact, frozen=True):
    person_id: str
    died_on: date | None = None
    restricted: bool = False


class ConsentFact(Fact, frozen=True):
    consent_id: str
    person_id: str
    purpose: str
    recipient: str
    given_on: date
    withdrawn_on: date | None = None


class RoleFact(Fact, frozen=True):
    person_id: str
    role: str
    since: date
    until: date | None = None
    evidence: str | None = None


class OrganisationFact(Fact, frozen=True):
    organisation_id: str
    area: str
    deregistered_on: date | None = None
    roles: tuple[RoleFact, ...] = ()


class CertificateFact(Fact, frozen=True):
    """Keyed by the certificate's number."""

    number: str
    person_id: str
    revoked_on: date | None = None


class CarrierFact(Fact, frozen=True):
    """Keyed by the carrier's code, which is what its token names."""

    code: str
    kind: str
    district: str


class BankFact(Fact, frozen=True):
    """Keyed by the bank's code, which is what its token names."""

    code: str


# -- the foreign events, as far as we use them -------------------------------------------------------------------------


class PersonRegistered(Foreign, frozen=True):
    person_id: str


class PersonRestricted(Foreign, frozen=True):
    person_id: str


class RestrictionLifted(Foreign, frozen=True):
    person_id: str


class PersonErased(Foreign, frozen=True):
    person_id: str


class PersonDied(Foreign, frozen=True):
    person_id: str
    died_on: date


class ConsentGiven(Foreign, frozen=True):
    person_id: str
    consent_id: str
    purpose: str
    recipient: str
    given_on: date


class ConsentWithdrawn(Foreign, frozen=True):
    person_id: str
    consent_id: str
    withdrawn_on: date


class OrganisationRegistered(Foreign, frozen=True):
    organisation_id: str
    area: str


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


class CarrierRegistered(Foreign, frozen=True):
    code: str
    kind: str
    district: str


class BankRegistered(Foreign, frozen=True):
    code: str


class CertificateIssued(Foreign, frozen=True):
    number: str
    person_id: str


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


def _consent(_: Record, event: ConsentGiven) -> Iterable[Note]:
    fact = ConsentFact(event.consent_id, event.person_id, event.purpose, event.recipient, event.given_on)
    yield keep(fact, event.consent_id)


def _withdrawn(_: Record, event: ConsentWithdrawn) -> Iterable[Note]:
    def update(known: ConsentFact) -> ConsentFact:
        return _replace(known, withdrawn_on=event.withdrawn_on)

    yield Note(ConsentFact, event.consent_id, update, needs_known=True)


def _organisation(_: Record, event: OrganisationRegistered) -> Iterable[Note]:
    yield keep(OrganisationFact(event.organisation_id, event.area), event.organisation_id)


def _role(_: Record, event: RoleRecorded) -> Iterable[Note]:
    role = RoleFact(event.person_id, event.role, event.since, event.until, event.evidence)

    def update(known: OrganisationFact) -> OrganisationFact:
        return _replace(known, roles=(*known.roles, role))

    yield Note(OrganisationFact, event.organisation_id, update, needs_known=True)


def _deregistered(_: Record, event: OrganisationDeregistered) -> Iterable[Note]:
    def update(known: OrganisationFact) -> OrganisationFact:
        return _replace(known, deregistered_on=event.deregistered_on)

    yield Note(OrganisationFact, event.organisation_id, update, needs_known=True)


def _carrier(_: Record, event: CarrierRegistered) -> Iterable[Note]:
    yield keep(CarrierFact(event.code, event.kind, event.district), event.code)


def _bank(_: Record, event: BankRegistered) -> Iterable[Note]:
    yield keep(BankFact(event.code), event.code)


def _issued(_: Record, event: CertificateIssued) -> Iterable[Note]:
    yield keep(CertificateFact(event.number, event.person_id), event.number)


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
    Listens("registry.ConsentGiven.v1", ConsentGiven, _consent),
    Listens("registry.ConsentWithdrawn.v1", ConsentWithdrawn, _withdrawn),
    Listens("registry.OrganisationRegistered.v1", OrganisationRegistered, _organisation),
    Listens("registry.RoleRecorded.v1", RoleRecorded, _role),
    Listens("registry.OrganisationDeregistered.v1", OrganisationDeregistered, _deregistered),
    Listens("registry.CarrierRegistered.v1", CarrierRegistered, _carrier),
    Listens("registry.BankRegistered.v1", BankRegistered, _bank),
    Listens("training.CertificateIssued.v1", CertificateIssued, _issued),
    Listens("training.CertificateRevoked.v1", CertificateRevoked, _revoked),
)
