"""From facts to what a claim is judged by."""

from typing import Any, NamedTuple

from services.subsidy.domain.claim_events import ClaimSubmitted, HoldReason
from services.subsidy.domain.facts import Facts, RoleHeld
from services.subsidy.domain.policy import ActiveVersions
from services.subsidy.intake.facts import CertificateFact, OrganisationFact, PersonFact
from shared.eventstore.needs import fact_of
from shared.eventstore.work import Work

Pair = tuple[str, str]


class Registered(NamedTuple):
    """What registry and training have told of what a claim names; None: not named, or not heard of yet."""

    certificate: CertificateFact | None
    organisation: OrganisationFact | None
    person: PersonFact | None


def facts_needed(certificate_no: str | None, organisation_id: str | None, person_id: str) -> tuple[Pair, ...]:
    """The facts that a claim is judged by, for `Needs.facts`."""
    named = [fact_of(PersonFact, person_id)]
    if certificate_no is not None:
        named.append(fact_of(CertificateFact, certificate_no))
    if organisation_id is not None:
        named.append(fact_of(OrganisationFact, organisation_id))
    return tuple(named)


def facts_of(submission: ClaimSubmitted) -> tuple[Pair, ...]:
    """The same, for a claim that was submitted."""
    return facts_needed(submission.certificate_no, submission.organisation_id, submission.person_id)


def registered(
    work: Work, certificate_no: str | None, organisation_id: str | None, person_id: str
) -> Registered | None:
    """What is known of them; None while one of those that are named has not been heard of."""
    certificate = None if certificate_no is None else work.fact(CertificateFact, certificate_no)
    organisation = None if organisation_id is None else work.fact(OrganisationFact, organisation_id)
    person = work.fact(PersonFact, person_id)
    missing = (
        person is None
        or (certificate_no is not None and certificate is None)
        or (organisation_id is not None and organisation is None)
    )
    return None if missing else Registered(certificate, organisation, person)


def registered_of(work: Work, submission: ClaimSubmitted) -> Registered | None:
    """The same, for a claim that was submitted."""
    return registered(work, submission.certificate_no, submission.organisation_id, submission.person_id)


def judged_by(
    submission: ClaimSubmitted,
    known: Registered,
    *,
    places_held: int,
    attested: dict[str, bool] | None = None,
) -> Facts:
    """The facts as they are now; the payee is still to be asked about."""
    return Facts(
        submitted_on=submission.submitted_on,
        places_held=places_held,
        categories=() if known.person is None else known.person.categories,
        evidence=submission.evidence,
        attested=attested or {},
        sources=_sources(known),
        **_of_certificate(known.certificate, submission.person_id),
        **_of_organisation(known.organisation, submission.person_id),
    )


def _of_certificate(certificate: CertificateFact | None, person_id: str) -> dict[str, Any]:
    if certificate is None:
        return {}
    return {
        "certificate_kind": certificate.kind,
        "certificate_stage": certificate.stage,
        "certificate_issued_on": certificate.issued_on,
        "certificate_revoked_on": certificate.revoked_on,
        "certificate_is_claimants": certificate.person_id == person_id,
    }


def _of_organisation(organisation: OrganisationFact | None, person_id: str) -> dict[str, Any]:
    if organisation is None:
        return {}
    return {
        "organisation_area": organisation.area,
        "organisation_registered_on": organisation.registered_on,
        "roles": _roles_of(organisation, person_id),
    }


def _sources(known: Registered) -> dict[str, str]:
    named = zip(Registered._fields, known, strict=True)
    return {name: fact.source for name, fact in named if fact is not None and fact.source}


def blocked_by(
    certificate: CertificateFact | None, organisation: OrganisationFact | None, person: PersonFact | None
) -> tuple[HoldReason, ...]:
    """All that stands in the way of any money now, whatever was true before: asked at each step that leads to it."""
    found: list[HoldReason] = []
    if certificate is not None and certificate.revoked_on is not None:
        found.append("certificate_revoked")
    if person is not None and person.died_on is not None:
        found.append("death")
    if organisation is not None and organisation.deregistered_on is not None:
        found.append("deregistration")
    return tuple(found)


def blocked(work: Work, submission: ClaimSubmitted) -> tuple[HoldReason, ...]:
    """`blocked_by` for a claim; asks for the facts where they are not loaded yet."""
    work.require(facts=facts_of(submission))
    number, organisation_id = submission.certificate_no, submission.organisation_id
    return blocked_by(
        None if number is None else work.fact(CertificateFact, number),
        None if organisation_id is None else work.fact(OrganisationFact, organisation_id),
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
