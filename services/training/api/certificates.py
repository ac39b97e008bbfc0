"""`/v1/certificates`: issued by who evaluated, numbered without gaps, revocable; `/verify` tells anyone which hold."""

from typing import Annotated

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from services.training.api.fields import Filter, NumberPath, evaluator_of, facets, own, sees
from services.training.domain import series
from services.training.domain.certificate import (
    CERTIFICATE,
    NUMBERS,
    TRAINEE,
    Certificate,
    CertificateKind,
    IssueCertificate,
    Numbered,
    Passed,
    RevokeCertificate,
    Status,
    decide,
    trainee_key,
)
from services.training.domain.evaluator import EVALUATORS, Evaluator, mark
from services.training.domain.series import BLOCKS, SERIES, CurrentBlock, DrawNumber, certificate_number
from services.training.domain.training_class import CLASS
from services.training.projections.lists import CertificateShown
from services.training.projections.lists import certificate as shown
from services.training.turns import turns_of
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.values.ids import CertificateId, ClassId, PersonId, new_id, uuid7
from shared.web.answers import carries_out, lists, shows
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.fields import ClassRef, Day, Name, PersonRef
from shared.web.lists import page
from shared.web.problem import of_rejection
from shared.web.routes import Body, router

api = router("证书")

READERS = ("app", "service:*", "district:*/*", "institution:*", "evaluator:*", "city", "auditor", "ops")


class NewCertificate(Body):
    """`issued_on` is today where it is not given."""

    class_id: ClassRef
    person_id: PersonRef
    issued_on: Day | None = None


class Revocation(Body):
    reason: Annotated[Name, Field(description="撤销原因，不得含个人信息")]


@api.post(
    "/certificates",
    status_code=201,
    summary="颁发证书",
    description="由考核该学员的评价机构颁发，编号连续；初创期为合格证书，其他阶段为结业证书。",
)
@allow("evaluator:*")
@carries_out(CertificateShown)
async def issue(request: Request, body: NewCertificate) -> Response:
    code = evaluator_of(caller_of(request))
    certificate_id = CertificateId(new_id(CERTIFICATE.prefix, uuid7()))
    issued_on = body.issued_on or shanghai_date(await store_of(request).now())
    year, block_key = issued_on.year, (BLOCKS, series.key_of(code, issued_on.year))
    holder = (TRAINEE, trainee_key(body.class_id, body.person_id))

    def handle(work: Work) -> Answer | Rejection:
        if not work.exists(body.class_id):
            return unknown("班级", "/class_id")
        block = (work.row(*block_key, CurrentBlock) or CurrentBlock()).block
        numbers = series.stream_of(code, year, block)
        drawn = series.decide(DrawNumber(code, year, block, certificate_id), work.state(SERIES, numbers))
        if isinstance(drawn, Rejection):
            return drawn
        # Nothing is written when the certificate is refused, so that its number stays with the series.
        number = certificate_number(mark(code), year, work.append(SERIES, numbers, drawn).last)
        decision = decide(_issue(work, number), work.state(CERTIFICATE, certificate_id))
        if isinstance(decision, Rejection):
            return decision
        certificate = work.append(CERTIFICATE, certificate_id, decision)
        return answer(work, certificate_id, shown(certificate_id, certificate), 201)

    def _issue(work: Work, number: str) -> IssueCertificate:
        state = work.state(CLASS, body.class_id)
        person_id = PersonId(body.person_id)
        trainee = state.trainees.get(person_id)
        passed = trainee.passed if trainee is not None else None
        evaluator = work.row(EVALUATORS, code, Evaluator)
        return IssueCertificate(
            certificate_id,
            number,
            person_id,
            state.project_id,
            state.stage,
            ClassId(body.class_id),
            state.ends_on,
            state.institution_id,
            state.institution_code,
            state.district,
            code,
            evaluator is not None and evaluator.appointed_on(issued_on),
            None if passed is None else Passed(passed.evaluator_code, passed.evaluated_on),
            issued_on,
            shanghai_date(work.now),
            work.holder(*holder),
        )

    async with turns_of(request).turn(f"{code}-{year}"):
        # Which block is in use must be known before it can be loaded; the next one is loaded too, for when another
        # process turns the page in between.
        looked = (await store_of(request).look(Needs(rows=(block_key,)))).row(*block_key, CurrentBlock)
        block = (looked or CurrentBlock()).block
        needs = Needs(
            streams=(body.class_id, series.stream_of(code, year, block), series.stream_of(code, year, block + 1)),
            rows=((EVALUATORS, code), block_key),
            unique=(holder,),
        )
        return await command(request, needs, handle)


@api.post("/certificates/{number}:revoke", summary="撤销证书")
@allow("evaluator:*", "city")
@carries_out(CertificateShown)
async def revoke(request: Request, number: NumberPath, body: Revocation) -> Response:
    caller = caller_of(request)
    certificate_id = (await find(request, number)).certificate_id

    def handle(work: Work) -> Answer | Rejection:
        acts_for = None if caller.holds("city") else caller.named("evaluator")
        revocation = RevokeCertificate(body.reason, shanghai_date(work.now), acts_for)
        decision = decide(revocation, work.state(CERTIFICATE, certificate_id))
        if isinstance(decision, Rejection):
            return decision
        return answer(work, certificate_id, shown(certificate_id, work.append(CERTIFICATE, certificate_id, decision)))

    return await command(request, Needs(streams=(certificate_id,)), handle)


@api.get("/certificates", summary="证书列表（培训机构、评价机构、区只见本单位的）")
@allow("institution:*", "evaluator:*", "district:*/*", "city", "auditor", "ops")
@lists(CertificateShown)
async def listed(
    request: Request,
    status: Status | None = None,
    kind: CertificateKind | None = None,
    project_id: Filter = None,
    class_id: Filter = None,
    district: Filter = None,
) -> Response:
    chosen = facets(status=status, kind=kind, project_id=project_id, class_id=class_id, district=district)
    return await page(
        request, "certificate", [*own(caller_of(request), "institution", "evaluator", "district"), *chosen]
    )


@api.get("/certificates/{number}", summary="证书（培训机构、评价机构只见本单位的）")
@allow(*READERS)
@shows(CertificateShown)
async def read(request: Request, number: NumberPath) -> Response:
    caller = caller_of(request)
    certificate_id = (await find(request, number)).certificate_id
    work = await store_of(request).look(Needs(streams=(certificate_id,)))
    certificate: Certificate = work.state(CERTIFICATE, certificate_id)
    # Any district's window accepts a claim (B-16), so any district may look at the certificate that it is for.
    owners = {"institution": certificate.institution_code, "evaluator": certificate.evaluator_code}
    if not (caller.named("district") or sees(caller, **owners)):
        raise of_rejection(unknown("证书"))
    found = answer(work, certificate_id, shown(certificate_id, certificate))
    return current(request, found)


async def find(request: Request, number: str) -> Numbered:
    """What a certificate number leads to. Raises a 404."""
    numbered = (await store_of(request).look(Needs(rows=((NUMBERS, number),)))).row(NUMBERS, number, Numbered)
    if numbered is None:
        raise of_rejection(unknown("证书"))
    return numbered
