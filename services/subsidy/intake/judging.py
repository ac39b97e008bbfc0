"""From facts to what a claim is judged by."""

from datetime import date

from services.subsidy.domain.claim import ClaimSubmitted, HoldReason
from services.subsidy.domain.policy import ActiveVersions
from services.subsidy.domain.screening import Facts, RoleHeld
from services.subsidy.intake.facts import CertificateFact, OrganisationFact, PersonFact
from shared.eventstore.needs import fact_of
from shared.eventstore.work import Work

Pair = tuple[str, str]


def facts_needed(certificate_no: str, organisation_id: str, person_id: str) -> tuple[Pair, ...]:
    """The facts that a claim is judged by, for `Needs.facts`."""
    return (
        fact_of(CertificateFact, certificate_no),
        fact_of(OrganisationFact, organisation_id),
        fact_of(PersonFact, person_id),
    )


def facts_of(submission: ClaimSubmitted) -> tuple[Pair, ...]:
    """The same, for a claim that was submitted."""
    return facts_needed(submission.certificate_no, submission.organisation_id, submission.person_id)


def judged_by(
    certificate: CertificateFact,
    organisation: OrganisationFact,
    person_id: str,
    submitted_on: date,
    *,
    places_held: int,
    project_held_by: str | None = None,
) -> Facts:
    """The facts as they are now; the payee is still to be asked about."""
    return Facts(
        submitted_on=submitted_on,
        certificate_kind=certificate.kind,
        certificate_stage=certificate.stage,
        certificate_issued_on=certificate.issued_on,
        certificate_revoked_on=certificate.revoked_on,
        certificate_is_claimants=certificate.person_id == person_id,
        organisation_area=organisation.area,
        organisation_registered_on=organisation.registered_on,
        roles=_roles_of(organisation, person_id),
        places_held=places_held,
        project_held_by=project_held_by,
    )


def blocked_by(
    certificate: CertificateFact | None, organisation: OrganisationFact | None, person: PersonFact | None
) -> HoldReason | None:
    """What stands in the way of any money now, whatever was true before: asked at each step that leads to it."""
    if certificate is not None and certificate.revoked_on is not None:
        return "certificate_revoked"
    if person is not None and person.died_on is not None:
        return "death"
    if organisation is not None and organisation.deregistered_on is not None:
        return "deregistration"
    return None


def blocked(work: Work, submission: ClaimSubmitted) -> HoldReason | None:
    """`blocked_by` for a claim; asks for the facts where they are not loaded yet."""
    work.require(facts=facts_of(submission))
    return blocked_by(
        work.fact(CertificateFact, submission.certificate_no),
        work.fact(OrganisationFact, submission.organisation_id),
        work.fact(PersonFact, submission.person_id),
    )


def _roles_of(organisation: OrganisationFact, person_id: str) -> tuple[RoleHeld, ...]:
    return tuple(
        RoleHeld(role.role, role.since, role.until, role.evidence)
        for role in organisation.roles
        if role.person_id == person_id
    )


def active_versions(work: Work, programme: str) -> ActiveVersions:
    """The versions in force of a programme; it must have been named in `Needs.rows` as `("policy", programme)`."""
    return work.row("policy", programme, ActiveVersions) or ActiveVersions()
