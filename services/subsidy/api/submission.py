"""`POST /v1/claims`: a founder asks for a subsidy, by the app or at any district's window.   (B-13 to B-17)"""

from datetime import date
from typing import Annotated, Literal

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field, StrictBool, StrictInt

from services.subsidy.api.claim_view import CLAIM_VIEW, ShownClaim
from services.subsidy.domain.claim import CERTIFICATE, CLAIM, ENTITLEMENT, PERSON_PLACES, Claim, entitlement_key
from services.subsidy.domain.claim import places_of as places_key
from services.subsidy.domain.claim_decisions import SubmitClaim, decide
from services.subsidy.domain.claim_events import ClaimSubmitted, PayeeAccount
from services.subsidy.domain.policy import ActiveVersions
from services.subsidy.domain.policy_version import CITY, MOST_PLACES, PolicyVersion
from services.subsidy.domain.submission import entitlement_of, missing
from services.subsidy.intake.facts import CertificateFact, OrganisationFact, PersonFact
from services.subsidy.intake.judging import (
    Registered,
    active_versions,
    blocked_by,
    facts_needed,
    judged_by,
    registered,
)
from services.subsidy.policies import SHIPPED
from shared.eventstore.decider import FieldError, Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Handler, Work
from shared.values.calendar import shanghai_date
from shared.values.ids import CertificateId, ClaimId, InstitutionId, OrganisationId, PersonId, ProjectId, new_id, uuid7
from shared.values.personal import Clear
from shared.web.answers import carries_out
from shared.web.behalf import ensure_theirs
from shared.web.body import declares, read_body
from shared.web.caller import Caller, allow, caller_of
from shared.web.command import command, viewed
from shared.web.facts import ensure_known
from shared.web.fields import AccountNumber, Code, District, Name, OrganisationRef, PersonRef
from shared.web.problem import Problem, invalid_field
from shared.web.routes import Body, router

api = router("申请")

Programme = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64, examples=["training-fee-subsidy"])]
EvidenceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
EvidenceValue = StrictBool | StrictInt | Annotated[str, Field(min_length=1, max_length=200)]


class Payee(Body):
    kind: Literal["social_security_card", "bank_account"]
    holder: Name
    number: AccountNumber
    bank: Name

    def sealed_for(self, person_id: str) -> PayeeAccount:
        return PayeeAccount(self.kind, Clear(person_id, self.holder), Clear(person_id, self.number), self.bank)


class NewClaim(Body):
    """`certificate_no`, `organisation_id` and `evidence`: as far as the programme's version asks for them."""

    programme: Programme
    person_id: PersonRef
    organisation_id: OrganisationRef | None = None
    certificate_no: Code | None = None
    payee_account: Payee
    channel: Literal["app", "window"]
    accepting_district: District
    evidence: Annotated[dict[EvidenceName, EvidenceValue], Field(default_factory=dict, max_length=20)]


def places_of(person_id: str, programme: str) -> tuple[tuple[str, str], ...]:
    """The places of a person in a programme, for `Needs.unique`."""
    key = places_key(person_id, programme)
    return tuple((PERSON_PLACES, f"{key}/{place}") for place in range(1, MOST_PLACES + 1))


@api.post(
    "/claims",
    status_code=201,
    summary="提交补贴申请",
    description=(
        "线上由 app 受理，窗口由受理区受理；由培训机构所在区审核（沪人社规〔2023〕7号）"
        "。受理后自动初筛，结果列于 `screening`。同一证书同时只能有一件申请，未获批准"
        "或撤回后可再次申请。证书、创业组织和申报内容（`evidence`）按补贴项目的政策版本要求提供。"
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
    own = () if body.certificate_no is None else ((CERTIFICATE, body.certificate_no),)
    needs = Needs(
        unique=(*own, *places_of(body.person_id, body.programme)),
        facts=facts_needed(body.certificate_no, body.organisation_id, body.person_id),
        rows=(("policy", body.programme),),
        subjects=(body.person_id,),
    )

    def handle(work: Work) -> Answer | Rejection:
        known = registered(work, body.certificate_no, body.organisation_id, body.person_id)
        if known is None:
            raise _FactMissing
        if known.person is not None and known.person.restricted:
            return Rejection(code="person_restricted", detail="该人员的个人信息已限制处理，不能提交新的申请")
        submitted = _submitted(claim_id, body, known, active_versions(work, body.programme), shanghai_date(work.now))
        if isinstance(submitted, Rejection):
            return submitted
        event, policy = submitted
        places = work.holders(PERSON_PLACES, places_key(body.person_id, body.programme), MOST_PLACES)
        decision = decide(
            SubmitClaim(
                event,
                policy,
                judged_by(event, known, places_held=len(places)),
                None if body.certificate_no is None else work.holder(CERTIFICATE, body.certificate_no),
                work.holder(ENTITLEMENT, entitlement_key(body.person_id, event.entitlement)),
                blocked_by(*known),
            ),
            Claim(),
        )
        if isinstance(decision, Rejection):
            return decision
        work.append(CLAIM, claim_id, decision)
        return viewed(work, CLAIM_VIEW, claim_id, 201)

    return needs, handle


NOT_OPEN = Rejection(code="programme_not_open", detail="这个补贴项目尚无生效的政策版本，暂不受理")


def _submitted(
    claim_id: ClaimId, body: NewClaim, known: Registered, versions: ActiveVersions, today: date
) -> tuple[ClaimSubmitted, PolicyVersion | None] | Rejection:
    """The event, and the version that judges it; a claim that no version asks for is refused field by field."""
    certificate = known.certificate
    judged_on = today if certificate is None else certificate.issued_on
    policy = versions.on(judged_on)
    asking = policy or versions.latest or SHIPPED.get(body.programme)
    if asking is None:
        return _wrong(FieldError("/programme", "unknown_programme", "没有这个补贴项目"))
    if versions.latest is None and certificate is None:
        return NOT_OPEN
    wrong = tuple(missing(asking, body.certificate_no, body.organisation_id, body.evidence))
    if wrong:
        return _wrong(*wrong)
    event = ClaimSubmitted(
        claim_id=claim_id,
        programme=body.programme,
        person_id=PersonId(body.person_id),
        entitlement=entitlement_of(
            asking, body.programme, None if certificate is None else certificate.project_id, body.evidence
        ),
        review_district=_review_district(body, certificate, asking),
        channel=body.channel,
        accepting_district=body.accepting_district,
        judged_on=judged_on,
        submitted_on=today,
        payee=body.payee_account.sealed_for(body.person_id),
        organisation_id=None if body.organisation_id is None else OrganisationId(body.organisation_id),
        certificate_id=None if certificate is None else CertificateId(certificate.certificate_id),
        certificate_no=body.certificate_no,
        project_id=None if certificate is None else ProjectId(certificate.project_id),
        institution_id=None if certificate is None else InstitutionId(certificate.institution_id),
        evidence=body.evidence,
    )
    return event, policy


def _review_district(body: NewClaim, certificate: CertificateFact | None, asking: PolicyVersion) -> str:
    """The training institution's; without a certificate the district whose programme it is, or that accepted it."""
    if certificate is not None:
        return certificate.district
    return body.accepting_district if asking.owner == CITY else asking.owner


def _wrong(*fields: FieldError) -> Rejection:
    return Rejection(code="invalid_request", detail="请求内容有误，请按提示修改", status=422, fields=fields)


class _FactMissing(Exception):
    """A fact about an id of the body has not arrived, or there is no such thing."""


async def _ensure_facts(request: Request, body: NewClaim) -> None:
    person = f"/v1/persons/{body.person_id}"
    await ensure_known(
        request, PersonFact, body.person_id, owner="registry", path=person, pointer="/person_id", what="人员"
    )
    if body.organisation_id is not None:
        await ensure_known(
            request,
            OrganisationFact,
            body.organisation_id,
            owner="registry",
            path=f"/v1/organisations/{body.organisation_id}",
            pointer="/organisation_id",
            what="组织",
        )
    if body.certificate_no is not None:
        await ensure_known(
            request,
            CertificateFact,
            body.certificate_no,
            owner="training",
            path=f"/v1/certificates/{body.certificate_no}",
            pointer="/certificate_no",
            what="证书",
        )


def _may_accept(caller: Caller, body: NewClaim) -> None:
    """The app takes claims online; a window's claim is taken by staff of the accepting district.   (B-16)"""
    if body.channel == "app" and not caller.holds("app"):
        raise invalid_field("/channel", "channel_not_yours", "窗口受理的申请，渠道应为 window")
    if body.channel == "window" and body.accepting_district not in caller.named("district"):
        raise Problem(403, "not_your_district", "只能受理本区窗口的申请")
