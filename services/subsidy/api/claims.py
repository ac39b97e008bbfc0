"""`/v1/claims`: submission, correction, review, approval, withdrawal.   (B-13 to B-17)"""

from datetime import date
from typing import Annotated, Literal

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from services.subsidy.api.claim_view import CLAIM_VIEW, ShownClaim
from services.subsidy.domain.budget import line_of
from services.subsidy.domain.claim import (
    BUDGET,
    CERTIFICATE,
    CLAIM,
    PERSON_PLACES,
    PERSON_PROJECT,
    Claim,
    ClaimSubmitted,
    PayeeAccount,
)
from services.subsidy.domain.claim_decisions import (
    ApproveClaim,
    ClaimCommand,
    CorrectClaim,
    RejectClaim,
    RequestCorrection,
    ReviewClaim,
    SubmitClaim,
    WithdrawClaim,
    decide,
)
from services.subsidy.domain.policy import MOST_PLACES, Parameters
from services.subsidy.intake.facts import CertificateFact, OrganisationFact, PersonFact
from services.subsidy.intake.judging import active_versions, blocked, blocked_by, facts_needed, judged_by
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Handler, Work
from shared.values.calendar import shanghai_date
from shared.values.districts import District as DistrictCode
from shared.values.ids import CertificateId, ClaimId, InstitutionId, OrganisationId, PersonId, ProjectId, new_id, uuid7
from shared.values.personal import Clear
from shared.web.answers import carries_out, lists, shows
from shared.web.behalf import OnBehalfOf, acting_for, ensure_theirs, not_theirs
from shared.web.body import declares, read_body
from shared.web.caller import Caller, allow, caller_of
from shared.web.command import command, current, store_of, unknown, viewed
from shared.web.facts import ensure_known
from shared.web.fields import AccountNumber, Code, District, Name, OrganisationRef, PersonRef, Text
from shared.web.lists import page
from shared.web.problem import Problem, invalid_field, of_rejection
from shared.web.routes import Body, router

api = router("申请")

PROGRAMME = "training-fee-subsidy"

REVIEWERS = "district:*/reviewer"
APPROVERS = "district:*/approver"


class Payee(Body):
    kind: Literal["social_security_card", "bank_account"]
    holder: Name
    number: AccountNumber
    bank: Name

    def sealed_for(self, person_id: str) -> PayeeAccount:
        return PayeeAccount(self.kind, Clear(person_id, self.holder), Clear(person_id, self.number), self.bank)


class NewClaim(Body):
    programme: Literal["training-fee-subsidy"]
    person_id: PersonRef
    organisation_id: OrganisationRef
    certificate_no: Code
    payee_account: Payee
    channel: Literal["app", "window"]
    accepting_district: District


class Correction(Body):
    payee_account: Payee


class Review(Body):
    decision: Literal["approve", "reject", "request_correction"]
    reasons: Annotated[tuple[Text, ...], Field(max_length=20)] = ()


class Approval(Body):
    decision: Literal["approve", "reject"]
    reasons: Annotated[tuple[Text, ...], Field(max_length=20)] = ()


def places_of(person_id: str) -> tuple[tuple[str, str], ...]:
    return tuple((PERSON_PLACES, f"{person_id}/{place}") for place in range(1, MOST_PLACES + 1))


# -- submission -------------------------------------------------------------------------------------------------------


@api.post(
    "/claims",
    status_code=201,
    summary="提交补贴申请",
    description=(
        "线上由 app 受理，窗口由受理区受理；由培训机构所在区审核（沪人社规〔2023〕7号）"
        "。受理后自动初筛，结果列于 `screening`。同一证书同时只能有一件申请，未获批准"
        "或撤回后可再次申请。"
    ),
    openapi_extra=declares(NewClaim),
)
@allow("app", "district:*/*")
@carries_out(ShownClaim)
async def submit(request: Request) -> Response:
    body = await read_body(request, NewClaim)
    _may_accept(caller_of(request), body)
    ensure_theirs(request, body.person_id)
    needs, handle = submission(ClaimId(new_id("clm", uuid7())), body)
    try:
        return await command(request, needs, handle, on_behalf_of=body.person_id, location="/v1/claims/{id}")
    except _FactMissing:
        await _ensure_facts(request, body)
        return await command(request, needs, handle, on_behalf_of=body.person_id, location="/v1/claims/{id}")


def submission(claim_id: ClaimId, body: NewClaim) -> tuple[Needs, Handler]:
    """What a submission needs to know, and how it is decided."""
    needs = Needs(
        unique=((CERTIFICATE, body.certificate_no), *places_of(body.person_id)),
        facts=facts_needed(body.certificate_no, body.organisation_id, body.person_id),
        rows=(("policy", body.programme),),
        subjects=(body.person_id,),
    )

    def handle(work: Work) -> Answer | Rejection:
        certificate = work.fact(CertificateFact, body.certificate_no)
        organisation = work.fact(OrganisationFact, body.organisation_id)
        person = work.fact(PersonFact, body.person_id)
        if certificate is None or organisation is None or person is None:
            raise _FactMissing
        if person.restricted:
            return Rejection(code="person_restricted", detail="该人员的个人信息已限制处理，不能提交新的申请")
        submitted = _submission(claim_id, body, certificate, shanghai_date(work.now))
        facts = judged_by(
            certificate,
            organisation,
            body.person_id,
            submitted.submitted_on,
            places_held=len(work.holders(PERSON_PLACES, body.person_id, MOST_PLACES)),
        )
        decision = decide(
            SubmitClaim(
                submitted,
                active_versions(work, body.programme).on(submitted.judged_on),
                facts,
                work.holder(CERTIFICATE, body.certificate_no),
                work.holder(PERSON_PROJECT, f"{body.person_id}/{certificate.project_id}"),
                blocked_by(certificate, organisation, person),
            ),
            Claim(),
        )
        if isinstance(decision, Rejection):
            return decision
        work.append(CLAIM, claim_id, decision)
        return viewed(work, CLAIM_VIEW, claim_id, 201)

    return needs, handle


class _FactMissing(Exception):
    """A fact about an id of the body has not arrived, or there is no such thing."""


async def _ensure_facts(request: Request, body: NewClaim) -> None:
    person, organisation = f"/v1/persons/{body.person_id}", f"/v1/organisations/{body.organisation_id}"
    certificate = f"/v1/certificates/{body.certificate_no}"
    await ensure_known(
        request, PersonFact, body.person_id, owner="registry", path=person, pointer="/person_id", what="人员"
    )
    await ensure_known(
        request,
        OrganisationFact,
        body.organisation_id,
        owner="registry",
        path=organisation,
        pointer="/organisation_id",
        what="组织",
    )
    await ensure_known(
        request,
        CertificateFact,
        body.certificate_no,
        owner="training",
        path=certificate,
        pointer="/certificate_no",
        what="证书",
    )


def _may_accept(caller: Caller, body: NewClaim) -> None:
    """The app takes claims online; a window's claim is taken by staff of the accepting district.   (B-16)"""
    if body.channel == "app" and not caller.holds("app"):
        raise invalid_field("/channel", "channel_not_yours", "窗口受理的申请，渠道应为 window")
    if body.channel == "window" and body.accepting_district not in caller.named("district"):
        raise Problem(403, "not_your_district", "只能受理本区窗口的申请")


def _submission(claim_id: ClaimId, body: NewClaim, certificate: CertificateFact, today: date) -> ClaimSubmitted:
    return ClaimSubmitted(
        claim_id=claim_id,
        programme=body.programme,
        person_id=PersonId(body.person_id),
        organisation_id=OrganisationId(body.organisation_id),
        certificate_id=CertificateId(certificate.certificate_id),
        certificate_no=body.certificate_no,
        project_id=ProjectId(certificate.project_id),
        institution_id=InstitutionId(certificate.institution_id),
        review_district=certificate.district,
        channel=body.channel,
        accepting_district=body.accepting_district,
        judged_on=certificate.issued_on,
        submitted_on=today,
        payee=body.payee_account.sealed_for(body.person_id),
    )


# -- what happens to it next -------------------------------------------------------------------------------------------


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
        payee = body.payee_account.sealed_for(claim.submission.person_id)
        return _carried(work, claim_id, CorrectClaim(payee, shanghai_date(work.now)))

    return await command(request, Needs(streams=(claim_id,)), handle, on_behalf_of=acting_for(request, behalf))


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
    person = caller_of(request).person
    if body.decision != "approve" and not body.reasons:
        raise invalid_field("/reasons", "reasons_required", "须写明理由")

    def handle(work: Work) -> Answer | Rejection:
        claim, today = work.state(CLAIM, claim_id), shanghai_date(work.now)
        refusal = _not_yours(request, claim, "reviewer")
        if refusal is not None:
            return refusal
        match body.decision:
            case "approve":
                return _carried(work, claim_id, ReviewClaim(person, "；".join(body.reasons), today))
            case "reject":
                return _carried(work, claim_id, RejectClaim(person, body.reasons, today))
            case "request_correction":
                days = _parameters(work, claim).correction_working_days
                return _carried(work, claim_id, RequestCorrection(person, body.reasons, today, days))

    return await command(request, Needs(streams=(claim_id,), rows=(("policy", PROGRAMME),)), handle)


@api.post(
    "/claims/{claim_id}/approval",
    summary="批准：由审核人以外的另一人作出",
    description="由培训机构所在区的批准人作出，不得与审核人为同一人。批准时重新核对事实，并从当年预算中承诺金额。",
)
@allow(APPROVERS)
@carries_out(ShownClaim)
async def approve(request: Request, claim_id: str, body: Approval) -> Response:
    person = caller_of(request).person
    if body.decision == "reject" and not body.reasons:
        raise invalid_field("/reasons", "reasons_required", "须写明理由")
    work = await store_of(request).look(Needs(streams=(claim_id,)))
    submission = work.state(CLAIM, claim_id).submission
    if submission is None:
        raise of_rejection(unknown("申请"))
    today = shanghai_date(work.now)
    line = line_of(submission.programme, today.year)

    def handle(work: Work) -> Answer | Rejection:
        claim = work.state(CLAIM, claim_id)
        refusal = _not_yours(request, claim, "approver")
        if refusal is not None:
            return refusal
        if body.decision == "reject":
            return _carried(work, claim_id, RejectClaim(person, body.reasons, today))
        certificate = work.fact(CertificateFact, submission.certificate_no)
        organisation = work.fact(OrganisationFact, submission.organisation_id)
        if certificate is None or organisation is None:
            return Rejection(code="fact_pending", detail="登记信息尚未到达，请稍后重试", status=503)
        facts = judged_by(certificate, organisation, submission.person_id, submission.submitted_on, places_held=0)
        policy = active_versions(work, submission.programme).on(submission.judged_on)
        approval = ApproveClaim(person, policy, facts, line, work.left(BUDGET, line), today, blocked(work, submission))
        return _carried(work, claim_id, approval)

    needs = Needs(
        streams=(claim_id,),
        bounded=((BUDGET, line),),
        facts=facts_needed(submission.certificate_no, submission.organisation_id, submission.person_id),
        rows=(("policy", submission.programme),),
    )
    return await command(request, needs, handle)


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


def _carried(work: Work, claim_id: str, wanted: ClaimCommand) -> Answer | Rejection:
    decision = decide(wanted, work.state(CLAIM, claim_id))
    if isinstance(decision, Rejection):
        return decision
    work.append(CLAIM, claim_id, decision)
    return viewed(work, CLAIM_VIEW, claim_id)


def _not_yours(request: Request, claim: Claim, role: str) -> Rejection | None:
    """Only the district of the training institution acts on a claim, whichever district accepted it.   (B-17)"""
    if claim.submission is None:
        return unknown("申请")
    if caller_of(request).holds(f"district:{claim.submission.review_district}/{role}"):
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


def _parameters(work: Work, claim: Claim) -> Parameters:
    """The parameters of the version that judges a claim; the first active ones while none does."""
    active = active_versions(work, PROGRAMME)
    version = active.named(claim.policy_version or "") or (active.versions[0] if active.versions else None)
    if version is None:
        raise Problem(409, "policy_missing", "尚无生效的政策版本")
    return version.parameters


# -- reading ----------------------------------------------------------------------------------------------------------


@api.get("/claims/{claim_id}", summary="申请")
@allow("app", "district:*/*", "city", "finance/*", "auditor", "service:audit")
@shows(ShownClaim)
async def read(request: Request, claim_id: str) -> Response:
    work = await store_of(request).look(Needs(streams=(claim_id,)))
    claim = work.state(CLAIM, claim_id) if claim_id.startswith("clm_") else Claim()
    if claim.submission is None or not _may_see(caller_of(request), claim.submission):
        raise of_rejection(unknown("申请"))
    ensure_theirs(request, claim.submission.person_id)
    found = viewed(work, CLAIM_VIEW, claim_id)
    return current(request, found)


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
    status: str | None = None,
    person_id: str | None = None,
    district: str | None = None,
) -> Response:
    caller = caller_of(request)
    ensure_theirs(request, person_id)
    facets = [f"{name}:{value}" for name, value in (("status", status), ("person", person_id)) if value]
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
