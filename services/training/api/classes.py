"""`/v1/classes`: classes, who is enrolled, and how they were evaluated."""

from datetime import date
from typing import Annotated

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from services.training.api.fields import ClassPath, Filter, evaluator_of, facets, own, sees
from services.training.domain.evaluator import EVALUATORS, Evaluator
from services.training.domain.project import PROJECT
from services.training.domain.training_class import CLASS, Enrol, Evaluate, Evaluation, OpenClass, decide
from services.training.intake.known import known
from services.training.intake.registry import InstitutionFact, PersonFact, QualificationFact, qualification_key
from services.training.projections.lists import ClassShown, TraineeShown, trainees
from services.training.projections.lists import training_class as shown
from services.training.turns import turns_of
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs, fact_of
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.values.ids import ClassId, InstitutionId, PersonId, ProjectId, new_id, uuid7
from shared.web.answers import carries_out, lists, shows
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.fields import Day, InstitutionRef, Name, PersonRef, ProjectRef
from shared.web.lists import page
from shared.web.problem import of_rejection
from shared.web.routes import Body, router

api = router("班级")

READERS = ("institution:*", "evaluator:*", "district:*/*", "city", "auditor", "ops", "service:*")


class NewClass(Body):
    """Both days are included."""

    project_id: ProjectRef
    institution_id: InstitutionRef
    starts_on: Day
    ends_on: Day


class NewEnrolment(Body):
    """`enrolled_on` is today where it is not given."""

    person_id: PersonRef
    enrolled_on: Day | None = None


class NewEvaluation(Body):
    """`norm` names the published evaluation norm; `evaluated_on` is today where it is not given."""

    person_id: PersonRef
    norm: Name
    score: Annotated[int, Field(ge=0, le=100, strict=True)]
    passed: Annotated[bool, Field(strict=True)]
    evaluated_on: Day | None = None


class ClassInFull(ClassShown, frozen=True, kw_only=True):
    trainees: tuple[TraineeShown, ...]


class EnrolmentShown(msgspec.Struct, frozen=True):
    class_id: str
    person_id: str
    enrolled_on: date


class EvaluationShown(Evaluation, frozen=True, kw_only=True):
    class_id: str
    person_id: str


@api.post("/classes", status_code=201, summary="开班")
@allow("institution:*")
@carries_out(ClassShown)
async def open_class(request: Request, body: NewClass) -> Response:
    acts_for = caller_of(request).named("institution")
    class_id = ClassId(new_id(CLASS.prefix, uuid7()))
    path = f"/v1/institutions/{body.institution_id}"
    if await known(request, InstitutionFact, body.institution_id, "registry", path) is None:
        raise of_rejection(unknown("培训机构", "/institution_id"))
    terms = qualification_key(body.institution_id, body.project_id)
    # Registry is asked once more where our facts would lead to a refusal: the qualification may be a second old.
    await known(
        request,
        QualificationFact,
        terms,
        "registry",
        path,
        enough=lambda fact: fact.covers(body.starts_on, body.ends_on),
        told=lambda institution: any(
            granted["project_id"] == body.project_id
            and granted["from_day"] <= body.starts_on.isoformat()
            and body.ends_on.isoformat() <= granted["until_day"]
            for granted in institution["qualifications"]
        ),
    )

    def handle(work: Work) -> Answer | Rejection:
        institution = work.fact(InstitutionFact, body.institution_id)
        qualified = work.fact(QualificationFact, terms)
        if institution is None:
            return unknown("培训机构", "/institution_id")
        if not work.exists(body.project_id):
            return unknown("培训项目", "/project_id")
        opening = OpenClass(
            class_id,
            ProjectId(body.project_id),
            work.state(PROJECT, body.project_id).stage,
            InstitutionId(body.institution_id),
            institution.code,
            institution.district,
            body.starts_on,
            body.ends_on,
            acts_for,
            qualified.terms if qualified is not None else (),
        )
        decision = decide(opening, work.state(CLASS, class_id))
        if isinstance(decision, Rejection):
            return decision
        return answer(work, class_id, shown(class_id, work.append(CLASS, class_id, decision)), 201)

    needs = Needs(
        streams=(body.project_id,),
        facts=(fact_of(InstitutionFact, body.institution_id), fact_of(QualificationFact, terms)),
    )
    return await command(request, needs, handle, location="/v1/classes/{id}")


@api.post("/classes/{class_id}/enrolments", status_code=201, summary="实名报名", operation_id="enrolTrainee")
@allow("institution:*", "app")
@carries_out(EnrolmentShown)
async def enrol(request: Request, class_id: ClassPath, body: NewEnrolment) -> Response:
    caller = caller_of(request)
    by_app = caller.holds("app")
    person_id = PersonId(body.person_id)
    if await known(request, PersonFact, person_id, "registry", f"/v1/persons/{person_id}") is None:
        raise of_rejection(unknown("人员", "/person_id"))

    def handle(work: Work) -> Answer | Rejection:
        if work.fact(PersonFact, person_id) is None:
            return unknown("人员", "/person_id")
        today = shanghai_date(work.now)
        acts_for = None if by_app else caller.named("institution")
        enrolment = Enrol(person_id, body.enrolled_on or today, today, acts_for)
        decision = decide(enrolment, work.state(CLASS, class_id))
        if isinstance(decision, Rejection):
            return decision
        trainee = work.append(CLASS, class_id, decision).trainees[person_id]
        told = EnrolmentShown(class_id, person_id, trainee.enrolled_on)
        return answer(work, class_id, told, 201)

    needs = Needs(streams=(class_id,), facts=(fact_of(PersonFact, person_id),))
    async with turns_of(request).turn(class_id):
        return await command(request, needs, handle, on_behalf_of=person_id if by_app else None)


@api.post("/classes/{class_id}/evaluations", status_code=201, summary="考核评价", operation_id="evaluateTrainee")
@allow("evaluator:*")
@carries_out(EvaluationShown)
async def evaluate(request: Request, class_id: ClassPath, body: NewEvaluation) -> Response:
    caller = caller_of(request)
    code = evaluator_of(caller)
    person_id = PersonId(body.person_id)

    def handle(work: Work) -> Answer | Rejection:
        today = shanghai_date(work.now)
        evaluated_on = body.evaluated_on or today
        evaluator = work.row(EVALUATORS, code, Evaluator)
        state = work.state(CLASS, class_id)
        holder = work.row(EVALUATORS, state.evaluator_code or code, Evaluator)
        evaluation = Evaluate(
            person_id,
            code,
            body.norm,
            body.score,
            body.passed,
            evaluated_on,
            today,
            evaluator is not None and evaluator.appointed_on(evaluated_on),
            caller.named("institution"),
            vacant=holder is not None and holder.appointed_until < today,
        )
        decision = decide(evaluation, state)
        if isinstance(decision, Rejection):
            return decision
        trainee = work.append(CLASS, class_id, decision).trainees[person_id]
        evaluated = msgspec.structs.asdict(trainee.evaluations[-1])
        told = EvaluationShown(**evaluated, class_id=class_id, person_id=person_id)
        return answer(work, class_id, told, 201)

    async with turns_of(request).turn(class_id):
        held = (await store_of(request).look(Needs(streams=(class_id,)))).state(CLASS, class_id).evaluator_code or code
        needs = Needs(streams=(class_id,), rows=tuple((EVALUATORS, each) for each in {code, held}))
        return await command(request, needs, handle)


@api.get("/classes", summary="班级列表（培训机构、区只见本单位的）")
@allow(*READERS)
@lists(ClassShown)
async def listed(request: Request, project_id: Filter = None, district: Filter = None) -> Response:
    chosen = facets(project_id=project_id, district=district)
    return await page(request, "class", [*own(caller_of(request), "institution", "district"), *chosen])


@api.get(
    "/classes/{class_id}",
    summary="班级及学员",
    description="评价机构只见尚未考核的和由本机构考核的班级。",
)
@allow(*READERS)
@shows(ClassInFull)
async def read(request: Request, class_id: ClassPath) -> Response:
    caller = caller_of(request)
    work = await store_of(request).look(Needs(streams=(class_id,)))
    state = work.state(CLASS, class_id)
    owners = {"institution": state.institution_code, "district": state.district}
    evaluates = caller.named("evaluator") and state.evaluator_code in (None, *caller.named("evaluator"))
    if not work.exists(class_id) or not (evaluates or sees(caller, **owners)):
        raise of_rejection(unknown("班级"))
    body = ClassInFull(**msgspec.structs.asdict(shown(class_id, state)), trainees=tuple(trainees(state)))
    found = answer(work, class_id, body)
    return current(request, found)
