"""How a claim is shown: never anything sealed."""

from datetime import date
from decimal import Decimal

import msgspec

from services.subsidy.domain.claim import CLAIM, Claim, Hold
from services.subsidy.domain.policy_version import Step
from services.subsidy.domain.screening import RuleResult
from shared.eventstore.listing import Listed
from shared.eventstore.work import View


class ShownClaim(msgspec.Struct, frozen=True):
    """`waiting_for`: whose turn it is, zh-CN; `step` and `due_on`: what the city's people owe, and by when."""

    id: str
    status: str
    holds: tuple[Hold, ...]
    programme: str
    person_id: str
    organisation_id: str | None
    certificate_no: str | None
    amount: Decimal | None
    policy_version: str | None
    channel: str
    accepting_district: str
    review_district: str
    submitted_on: str
    notice_id: str | None
    payment_batch_id: str | None
    reasons: tuple[str, ...]
    evidence: dict[str, str | int | bool]
    attested: dict[str, bool]
    step: Step | None
    due_on: date | None
    escalated_to: str | None
    waiting_for: str | None
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
        evidence=submission.evidence,
        attested=claim.attested,
        step=claim.step,
        due_on=claim.due_on,
        escalated_to=claim.escalated_to,
        waiting_for=_waiting_for(claim),
        screening=_as_it_stands(claim),
    )


_WAITING_FOR = {
    "submitted": "审核区审核人审核",
    "correction_requested": "申请人补正",
    "under_review": "审核区批准人批准",
    "approved": "审核区编制并发布公示",
    "in_public_notice": "公示期满",
    "payable": "市就业促进中心列入发放批次",
    "payment_ordered": "银行回告发放结果",
    "payment_unknown": "查明银行发放结果",
    "payment_returned": "申请人更正收款账户",
    "recovering": "当事人退回款项",
}


def _waiting_for(claim: Claim) -> str | None:
    """What the claim waits for first: what it is held for, else the next step. None at its end."""
    if claim.ended:
        return None
    if claim.holds:
        return claim.holds[0].waiting_for
    if claim.status == "correction_requested" and claim.escalated_to is not None:
        return "补正逾期，审核区审核人处理"
    if claim.status == "payable" and claim.batch_id is not None:
        return "第二人放行发放批次"
    if claim.status == "payable" and not claim.payee_checked:
        return "申请人更正收款账户" if claim.payee_matches is False else "核实收款账户"
    return _WAITING_FOR.get(claim.status)


def _as_it_stands(claim: Claim) -> tuple[RuleResult, ...] | msgspec.Raw:
    """Until the payee is answered for, what was written when the claim was screened: not decoded to be encoded."""
    return claim.screening if claim.results is None or claim.payee_matches is not None else claim.results


CLAIM_VIEW = View(CLAIM, shown)


def listed(id: str, claim: Claim) -> Listed:
    body = shown(id, claim)
    facets = [f"status:{body.status}", f"district:{body.review_district}", f"person:{body.person_id}"]
    facets += [f"programme:{body.programme}"]
    if body.organisation_id is not None:
        facets.append(f"organisation:{body.organisation_id}")
    facets += [f"hold:{hold.reason}" for hold in claim.holds]
    if claim.status == "payable" and not claim.holds and claim.batch_id is None and claim.payee_checked:
        facets.append("ready:payment")
    facets += [f"line:{line}" for line in dict.fromkeys((*claim.carried_from, claim.budget_line)) if line is not None]
    if claim.budget_line is not None and claim.status not in ("rejected", "withdrawn"):
        facets.append(f"{'paid' if claim.net_paid else 'unpaid'}:{claim.budget_line}")
    if claim.status == "approved" and not claim.holds:
        facets.append("ready:notice")
    return Listed(facets, body)
