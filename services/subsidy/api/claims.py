"""`/v1/claims/{id}`: correction, attestation, review, approval, holds, withdrawal, and reading.   (B-14 to B-17)"""

from typing import Annotated, Literal

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from services.subsidy.api.claim_view import CLAIM_VIEW, ShownClaim
from services.subsidy.api.submission import Payee, Programme
from services.subsidy.domain.budget import line_of
from services.subsidy.domain.claim import BUDGET, CLAIM, Claim
from services.subsidy.domain.claim_decisions import (
    ApproveClaim,
    AttestEvidence,
    ClaimCommand,
    CorrectClaim,
    LiftHold,
    RejectClaim,
    RequestCorrection,
    ReviewClaim,
    WithdrawClaim,
    decide,
)
from services.subsidy.domain.claim_events import ClaimSubmitted, HoldReason, Status
from services.subsidy.domain.policy_version import Parameters
from services.subsidy.intake.judging import active_versions, blocked_by, facts_of, judged_by, registered_of
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Handler, Work
from shared.values.calendar import shanghai_date
from shared.values.districts import District as DistrictCode
from shared.web.answers import carries_out, lists, shows
from shared.web.behalf import OnBehalfOf, acting_for, ensure_theirs, not_theirs
from shared.web.caller import Caller, allow, caller_of
from shared.web.command import command, current, store_of, unknown, viewed
from shared.web.fields import Code, District, PersonRef, StaffText
from shared.web.lists import page
from shared.web.problem import Problem, invalid_field, of_rejection
from shared.web.routes import Body, router

api = router("申请")

REVIEWERS = "district:*/reviewer"
APPROVERS = "district:*/approver"


class Correction(Body):
    payee_account: Payee


class EvidenceChecked(Body):
    """`document`: the reference of the file or register entry that was looked at."""

    evidence: Code
    confirmed: Annotated[bool, Field(strict=True)]
    document: Code


class Review(Body):
    decision: Literal["approve", "reject", "request_correction"]
    reasons: Annotated[tuple[StaffText, ...], Field(max_length=20)] = ()


class Approval(Body):
    decision: Literal["approve", "reject"]
    reasons: Annotated[tuple[StaffText, ...], Field(max_length=20)] = ()


class Lifting(Body):
    """`document`: the reference of the file that says why the claim may go on."""

    reason: Literal["death", "deregistration", "calendar"]
    document: Code


# -- what the claimant does -------------------------------------------------------------------------------------------


@api.post(
    "/claims/{claim_id}/corrections",
    summary="补正收款账户",
    description="在要求补正后的期限内，或付款被退回后提交新的收款账户。",
)
@allow("app", "district:*/*")
@carries_out(ShownClaim)
async def correct(request: Request, claim_id: str, body: Correction, behalf: OnBehalfOf = None) -> Response:
    def handle(work: Work) -> Answer | Rejection:
        claim = work.state(CLAIM, claim_id)
        if claim.submission is None:
            return unknown("申请")
        if (refusal := _not_accepted_here(request, claim, behalf)) is not None:
            return refusal
        days = parameters_of(work, claim).review_working_days
        payee = body.payee_account.sealed_for(claim.submission.person_id)
        return _carried(work, claim_id, CorrectClaim(payee, shanghai_date(work.now), days))

    return await command(request, Needs(streams=(claim_id,)), handle, on_behalf_of=acting_for(request, behalf))


@api.post(
    "/claims/{claim_id}:withdraw", summary="撤回申请", description="列入发放批次前可以撤回；撤回后证书可再次用于申请。"
)
@allow("app", "district:*/*")
@carries_out(ShownClaim)
async def withdraw(request: Request, claim_id: str, behalf: OnBehalfOf = None) -> Response:
    def handle(work: Work) -> Answer | Rejection:
        if (refusal := _not_accepted_here(request, work.state(CLAIM, claim_id), behalf)) is not None:
            return refusal
        return _carried(work, claim_id, WithdrawClaim(shanghai_date(work.now)))

    return await command(request, Needs(streams=(claim_id,)), handle, on_behalf_of=acting_for(request, behalf))


# -- what the district does -------------------------------------------------------------------------------------------


@api.post(
    "/claims/{claim_id}/attestations",
    summary="核验申报内容",
    description="审核人核对申报内容的依据材料后逐项确认或不予确认；须核验的内容未核验前不能批准。",
)
@allow(REVIEWERS)
@carries_out(ShownClaim)
async def attest(request: Request, claim_id: str, body: EvidenceChecked) -> Response:
    person = caller_of(request).person

    def handle(work: Work) -> Answer | Rejection:
        if (refusal := _not_yours(caller_of(request), work.state(CLAIM, claim_id), "reviewer")) is not None:
            return refusal
        return _carried(work, claim_id, AttestEvidence(body.evidence, body.confirmed, body.document, person))

    return await command(request, Needs(streams=(claim_id,)), handle)


@api.post(
    "/claims/{claim_id}/review",
    summary="审核：建议批准、不予批准或要求补正",
    description=(
        "由培训机构所在区的审核人作出。不予批准或要求补正须写明理由；要求补正的，一次性告知，期限"
        "按政策规定的工作日计算。"
    ),
)
@allow(REVIEWERS)
@carries_out(ShownClaim)
async def review(request: Request, claim_id: str, body: Review) -> Response:
    handle = reviewing(caller_of(request), claim_id, body)
    ensure_reasons(body)
    return await command(request, Needs(streams=(claim_id,)), handle)


def ensure_reasons(body: Review | Approval) -> None:
    """Raises a 422 for a decision against a claim that says no reason."""
    if body.decision != "approve" and not body.reasons:
        raise invalid_field("/reasons", "reasons_required", "须写明理由")


def reviewing(caller: Caller, claim_id: str, body: Review) -> Handler:
    """How a review is decided, of a person who is signed in. Raises a 403 for a system."""
    person = caller.person

    def handle(work: Work) -> Answer | Rejection:
        claim, today = work.state(CLAIM, claim_id), shanghai_date(work.now)
        if (refusal := _not_yours(caller, claim, "reviewer")) is not None:
            return refusal
        match body.decision:
            case "approve":
                days = parameters_of(work, claim).approval_working_days
                return _carried(work, claim_id, ReviewClaim(person, "；".join(body.reasons), today, days))
            case "reject":
                return _carried(work, claim_id, RejectClaim(person, body.reasons, today))
            case "request_correction":
                days = parameters_of(work, claim).correction_working_days
                return _carried(work, claim_id, RequestCorrection(person, body.reasons, today, days))

    return handle


@api.post(
    "/claims/{claim_id}/approval",
    summary="批准：由审核人以外的另一人作出",
    description="由培训机构所在区的批准人作出，不得与审核人为同一人。批准时重新核对事实，并从当年预算中承诺金额。",
)
@allow(APPROVERS)
@carries_out(ShownClaim)
async def approve(request: Request, claim_id: str, body: Approval) -> Response:
    handle = approving(caller_of(request), claim_id, body)
    ensure_reasons(body)
    return await command(request, Needs(streams=(claim_id,)), handle)


def approving(caller: Caller, claim_id: str, body: Approval) -> Handler:
    """How an approval is decided, of a person who is signed in. Raises a 403 for a system."""
    person = caller.person

    def handle(work: Work) -> Answer | Rejection:
        claim, today = work.state(CLAIM, claim_id), shanghai_date(work.now)
        if claim.submission is None:
            return unknown("申请")
        if (refusal := _not_yours(caller, claim, "approver")) is not None:
            return refusal
        if body.decision == "reject":
            return _carried(work, claim_id, RejectClaim(person, body.reasons, today))
        found = approval(work, claim, claim.submission, person)
        return found if isinstance(found, Rejection) else _carried(work, claim_id, found)

    return handle


def approval(work: Work, claim: Claim, submission: ClaimSubmitted, approver: str) -> ApproveClaim | Rejection:
    """The approval of a claim by what is known now; asks for what is not loaded yet."""
    today = shanghai_date(work.now)
    line = line_of(submission.programme, today.year)
    work.require(facts=facts_of(submission), bounded=((BUDGET, line),), rows=(("policy", submission.programme),))
    known = registered_of(work, submission)
    if known is None:
        return Rejection(code="fact_pending", detail="登记信息尚未到达，请稍后重试", status=503)
    return ApproveClaim(
        approver,
        active_versions(work, submission.programme).on(submission.judged_on),
        judged_by(submission, known, places_held=0, attested=claim.attested),
        line,
        work.left(BUDGET, line),
        today,
        blocked_by(*known),
    )


@api.post(
    "/claims/{claim_id}/holds:lift",
    summary="核实后解除暂缓",
    description="人员死亡、组织注销等情形经审核区核实、有据可查后，由批准人解除暂缓；证书被撤销的不能解除。",
    operation_id="liftClaimHold",
)
@allow(APPROVERS)
@carries_out(ShownClaim)
async def lift(request: Request, claim_id: str, body: Lifting) -> Response:
    person = caller_of(request).person

    def handle(work: Work) -> Answer | Rejection:
        if (refusal := _not_yours(caller_of(request), work.state(CLAIM, claim_id), "approver")) is not None:
            return refusal
        return _carried(work, claim_id, LiftHold(body.reason, person, body.document))

    return await command(request, Needs(streams=(claim_id,)), handle)


def _carried(work: Work, claim_id: str, wanted: ClaimCommand) -> Answer | Rejection:
    decision = decide(wanted, work.state(CLAIM, claim_id))
    if isinstance(decision, Rejection):
        return decision
    work.append(CLAIM, claim_id, decision)
    return viewed(work, CLAIM_VIEW, claim_id)


def _not_yours(caller: Caller, claim: Claim, role: str) -> Rejection | None:
    """Only the district of the training institution acts on a claim, whichever district accepted it.   (B-17)"""
    if claim.submission is None:
        return unknown("申请")
    if caller.holds(f"district:{claim.submission.review_district}/{role}"):
        return None
    name = DistrictCode(claim.submission.review_district).zh
    return Rejection(code="not_your_district", detail=f"此申请由{name}审核", status=403)


def _not_accepted_here(request: Request, claim: Claim, behalf: str | None) -> Rejection | None:
    """For the claimant acts the app, or the window of the district that accepted the claim.   (B-16)"""
    caller = caller_of(request)
    if claim.submission is None:
        return unknown("申请")
    if (refusal := not_theirs(request, behalf, claim.submission.person_id)) is not None:
        return refusal
    if caller.holds("app") or claim.submission.accepting_district in caller.named("district"):
        return None
    name = DistrictCode(claim.submission.accepting_district).zh
    return Rejection(code="not_your_district", detail=f"此申请由{name}受理", status=403)


def parameters_of(work: Work, claim: Claim) -> Parameters:
    """The parameters of the version that judges a claim; of the latest one in force while none does."""
    assert claim.submission is not None
    work.require(rows=(("policy", claim.submission.programme),))
    versions = active_versions(work, claim.submission.programme)
    version = versions.named(claim.policy_version or "") or versions.latest
    if version is None:
        raise Problem(409, "policy_missing", "尚无生效的政策版本")
    return version.parameters


# -- reading ----------------------------------------------------------------------------------------------------------


@api.get("/claims/{claim_id}", summary="申请")
@allow("app", "district:*/*", "city", "finance/*", "auditor", "service:audit")
@shows(ShownClaim)
async def read(request: Request, claim_id: str) -> Response:
    work = await look_at(request, claim_id)
    return current(request, viewed(work, CLAIM_VIEW, claim_id))


async def look_at(request: Request, claim_id: str) -> Work:
    """The claim as the caller may see it. Raises a 404 for what is not, or is not his."""
    work = await store_of(request).look(Needs(streams=(claim_id,)))
    claim = work.state(CLAIM, claim_id) if claim_id.startswith("clm_") else Claim()
    if claim.submission is None or not _may_see(caller_of(request), claim.submission):
        raise of_rejection(unknown("申请"))
    ensure_theirs(request, claim.submission.person_id)
    return work


def _may_see(caller: Caller, submission: ClaimSubmitted) -> bool:
    """A district sees the claims that it reviews or accepted; the others whose work it is see all."""
    own = caller.named("district")
    if not own or caller.holds("city") or caller.holds("auditor"):
        return True
    return submission.review_district in own or submission.accepting_district in own


@api.get("/claims", summary="申请列表")
@allow("app", "district:*/*", "city", "finance/*", "auditor", "ops")
@lists(ShownClaim)
async def listed(
    request: Request,
    status: Status | None = None,
    person_id: PersonRef | None = None,
    district: District | None = None,
    hold: HoldReason | None = None,
    programme: Programme | None = None,
) -> Response:
    caller = caller_of(request)
    ensure_theirs(request, person_id)
    wanted = (("status", status), ("person", person_id), ("hold", hold), ("programme", programme))
    facets = [f"{name}:{value}" for name, value in wanted if value]
    own = caller.named("district")
    if own and not caller.holds("city"):
        if district is not None and district not in own:
            raise Problem(403, "not_your_district", "只能查看本区审核的申请")
        facets.append(f"district:{district or own[0]}")
    elif district is not None:
        facets.append(f"district:{district}")
    if caller.holds("app") and person_id is None:
        raise Problem(400, "person_id_required", "请用 person_id 指明为谁查询")
    return await page(request, "claim", facets)
