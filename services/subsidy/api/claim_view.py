"""How a claim is shown: never anything sealed."""

from decimal import Decimal

import msgspec

from services.subsidy.domain.claim import CLAIM, Claim, Hold
from services.subsidy.domain.screening import RuleResult
from shared.eventstore.listing import Listed
from shared.eventstore.work import View


class ShownClaim(msgspec.Struct, frozen=True):
    id: str
    status: str
    holds: tuple[Hold, ...]
    programme: str
    person_id: str
    organisation_id: str
    certificate_no: str
    amount: Decimal | None
    policy_version: str | None
    channel: str
    accepting_district: str
    review_district: str
    submitted_on: str
    notice_id: str | None
    payment_batch_id: str | None
    reasons: tuple[str, ...]
    screening: tuple[RuleResult, ...] | msgspec.Raw


def shown(id: str, claim: Claim) -> ShownClaim:
    submission = claim.submission
    if submission is None:
        raise ValueError("an empty claim cannot be shown")
    return ShownClaim(
        id=id,
        status=claim.status,
        holds=claim.holds,
        programme=submission.programme,
        person_id=submission.person_id,
        organisation_id=submission.organisation_id,
        certificate_no=submission.certificate_no,
        amount=claim.amount,
        policy_version=claim.policy_version,
        channel=submission.channel,
        accepting_district=submission.accepting_district,
        review_district=submission.review_district,
        submitted_on=submission.submitted_on.isoformat(),
        notice_id=claim.notice_id,
        payment_batch_id=claim.batch_id,
        reasons=claim.reasons,
        screening=_as_it_stands(claim),
    )


def _as_it_stands(claim: Claim) -> tuple[RuleResult, ...] | msgspec.Raw:
    """Until the payee is answered for, what was written when the claim was screened: not decoded to be encoded."""
    return claim.screening if claim.results is None or claim.payee_matches is not None else claim.results


CLAIM_VIEW = View(CLAIM, shown)


def listed(id: str, claim: Claim) -> Listed:
    body = shown(id, claim)
    facets = [f"status:{body.status}", f"district:{body.review_district}", f"person:{body.person_id}"]
    facets += [f"hold:{hold.reason}" for hold in claim.holds]
    if claim.status == "payable" and not claim.holds and claim.batch_id is None and claim.payee_checked:
        facets.append("ready:payment")
    if claim.status == "approved" and not claim.holds:
        facets.append("ready:notice")
    return Listed(facets, body)
