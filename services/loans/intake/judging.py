"""From facts to what an entry is judged by."""

from datetime import date

from services.loans.domain.screening import CertificateSeen, ConsentSeen, Facts, RoleHeld
from services.loans.intake.facts import CertificateFact, ConsentFact, OrganisationFact, PersonFact
from shared.eventstore.needs import fact_of
from shared.eventstore.work import Work

Pair = tuple[str, str]


def facts_needed(person_id: str, organisation_id: str, consent_id: str, certificate_no: str | None) -> tuple[Pair, ...]:
    """The facts that an entry is judged by, for `Needs.facts`."""
    named = (fact_of(CertificateFact, certificate_no),) if certificate_no is not None else ()
    return (
        fact_of(PersonFact, person_id),
        fact_of(OrganisationFact, organisation_id),
        fact_of(ConsentFact, consent_id),
        *named,
    )


def judged_by(
    work: Work, person_id: str, organisation_id: str, consent_id: str, certificate_no: str | None, on: date
) -> Facts | None:
    """The facts as they are now, or None when one of them has not arrived."""
    person = work.fact(PersonFact, person_id)
    organisation = work.fact(OrganisationFact, organisation_id)
    consent = work.fact(ConsentFact, consent_id)
    certificate = work.fact(CertificateFact, certificate_no) if certificate_no is not None else None
    if person is None or organisation is None or consent is None or (certificate_no and certificate is None):
        return None
    return Facts(
        on=on,
        consent=ConsentSeen(consent.person_id == person_id, consent.purpose, consent.recipient, consent.withdrawn_on),
        roles=tuple(
            RoleHeld(role.role, role.since, role.until, role.evidence)
            for role in organisation.roles
            if role.person_id == person_id
        ),
        organisation_area=organisation.area,
        organisation_deregistered_on=organisation.deregistered_on,
        person_died_on=person.died_on,
        person_restricted=person.restricted,
        certificate=(
            CertificateSeen(certificate.person_id == person_id, certificate.revoked_on) if certificate else None
        ),
    )
