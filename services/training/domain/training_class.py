"""Class: one project trained once, by one institution, from enrolment to evaluation.   (沪人社规〔2023〕7号 二, 三)"""

from datetime import date

import msgspec

from shared.eventstore.decider import Aggregate, Decision, Event, Rejection
from shared.values.ids import ClassId, InstitutionId, PersonId, ProjectId

MAX_TRAINEES = 200
# With MAX_TRAINEES this also keeps the stream of a class under a thousand events.
MAX_EVALUATIONS = 3

# -- events: what happened; the names are the storage format -------------------------------------------------------


class ClassOpened(Event, frozen=True, tag="training.ClassOpened.v1"):
    """A qualified institution opened a class, both days included; `stage` is the project's."""

    class_id: ClassId
    project_id: ProjectId
    stage: str
    institution_id: InstitutionId
    institution_code: str
    district: str
    starts_on: date
    ends_on: date


class TraineeEnrolled(Event, frozen=True, tag="training.TraineeEnrolled.v1"):
    class_id: ClassId
    person_id: PersonId
    enrolled_on: date


class TraineeEvaluated(Event, frozen=True, tag="training.TraineeEvaluated.v1"):
    """An evaluation body scored a trainee, 0 to 100, by the published norm that is named."""

    class_id: ClassId
    person_id: PersonId
    evaluator_code: str
    norm: str
    score: int
    passed: bool
    evaluated_on: date


ClassEvent = ClassOpened | TraineeEnrolled | TraineeEvaluated
EVENTS = (ClassOpened, TraineeEnrolled, TraineeEvaluated)


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Evaluation(msgspec.Struct, frozen=True):
    evaluator_code: str
    norm: str
    score: int
    passed: bool
    evaluated_on: date


class Trainee(msgspec.Struct, frozen=True):
    enrolled_on: date
    evaluations: tuple[Evaluation, ...] = ()

    @property
    def passed(self) -> Evaluation | None:
        """The evaluation that was passed; there is at most one."""
        return next((evaluation for evaluation in self.evaluations if evaluation.passed), None)


class TrainingClass(msgspec.Struct, frozen=True):
    id: ClassId | None = None
    project_id: ProjectId = ProjectId("")
    stage: str = ""
    institution_id: InstitutionId = InstitutionId("")
    institution_code: str = ""
    district: str = ""
    starts_on: date = date.min
    ends_on: date = date.min
    trainees: dict[PersonId, Trainee] = {}
    evaluator_code: str | None = None
    """Whose class it is to evaluate: the body that did so first, or its successor."""


def evolve(state: TrainingClass, event: ClassEvent) -> TrainingClass:
    match event:
        case ClassOpened():
            return TrainingClass(
                event.class_id,
                event.project_id,
                event.stage,
                event.institution_id,
                event.institution_code,
                event.district,
                event.starts_on,
                event.ends_on,
            )
        case TraineeEnrolled():
            trainee = Trainee(event.enrolled_on)
            return msgspec.structs.replace(state, trainees={**state.trainees, event.person_id: trainee})
        case TraineeEvaluated():
            before = state.trainees[event.person_id]
            evaluation = Evaluation(event.evaluator_code, event.norm, event.score, event.passed, event.evaluated_on)
            after = Trainee(before.enrolled_on, (*before.evaluations, evaluation))
            trainees = {**state.trainees, event.person_id: after}
            return msgspec.structs.replace(state, trainees=trainees, evaluator_code=event.evaluator_code)


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class OpenClass(msgspec.Struct, frozen=True):
    """`acts_for` are the institutions that the caller may act for; `qualified` are its terms for the project."""

    class_id: ClassId
    project_id: ProjectId
    stage: str
    institution_id: InstitutionId
    institution_code: str
    district: str
    starts_on: date
    ends_on: date
    acts_for: tuple[str, ...]
    qualified: tuple[tuple[date, date], ...]


class Enrol(msgspec.Struct, frozen=True):
    """`acts_for` are the institutions that the caller may act for, None for the app on behalf of the person."""

    person_id: PersonId
    enrolled_on: date
    today: date
    acts_for: tuple[str, ...] | None


class Evaluate(msgspec.Struct, frozen=True):
    """`appointed` says of the evaluator on that day; `acts_for` are institutions that the caller also acts for.

    `vacant`: the term of the body whose class it is has ended, so that another may carry on.
    """

    person_id: PersonId
    evaluator_code: str
    norm: str
    score: int
    passed: bool
    evaluated_on: date
    today: date
    appointed: bool
    acts_for: tuple[str, ...]
    vacant: bool = False


ClassCommand = OpenClass | Enrol | Evaluate


def decide(command: ClassCommand, state: TrainingClass) -> Decision:
    match command:
        case OpenClass():
            return _open(command)
        case _ if state.id is None:
            return Rejection(code="not_found", detail="没有找到这个班级", status=404)
        case Enrol():
            return _enrol(command, state, state.id)
        case Evaluate():
            return _evaluate(command, state, state.id)


def _open(command: OpenClass) -> Decision:
    if command.institution_code not in command.acts_for:
        return Rejection(code="not_your_institution", detail="只能为本机构开班", status=403)
    if command.ends_on < command.starts_on:
        return Rejection(code="class_period", detail="结班日期不能早于开班日期", status=422)
    if not any(first <= command.starts_on and command.ends_on <= last for first, last in command.qualified):
        return Rejection(code="not_qualified", detail="该机构在开班期间没有这个培训项目的有效资质")
    return [
        ClassOpened(
            class_id=command.class_id,
            project_id=command.project_id,
            stage=command.stage,
            institution_id=command.institution_id,
            institution_code=command.institution_code,
            district=command.district,
            starts_on=command.starts_on,
            ends_on=command.ends_on,
        )
    ]


def _enrol(command: Enrol, state: TrainingClass, id: ClassId) -> Decision:
    if command.acts_for is not None and state.institution_code not in command.acts_for:
        return Rejection(code="not_your_institution", detail="只能为本机构的班级报名", status=403)
    if command.person_id in state.trainees:
        return []
    if command.enrolled_on > command.today:
        return Rejection(code="enrolled_in_future", detail="报名日期不能晚于今天", status=422)
    if command.enrolled_on > state.ends_on:
        return Rejection(code="class_ended", detail="班级已结束，不能再报名")
    if len(state.trainees) >= MAX_TRAINEES:
        return Rejection(code="class_full", detail=f"每班最多 {MAX_TRAINEES} 名学员")
    return [TraineeEnrolled(class_id=id, person_id=command.person_id, enrolled_on=command.enrolled_on)]


def _evaluate(command: Evaluate, state: TrainingClass, id: ClassId) -> Decision:
    if state.institution_code in command.acts_for:
        return Rejection(code="not_independent", detail="培训机构不能评价本机构的学员", status=403)
    if not command.appointed:
        return Rejection(code="not_appointed", detail="该评价机构在考核当日不在聘期内", status=403)
    if state.evaluator_code not in (None, command.evaluator_code) and not command.vacant:
        return Rejection(code="not_your_class", detail="谁评价、谁负责：这个班级由另一家评价机构考核", status=403)
    trainee = state.trainees.get(command.person_id)
    if trainee is None:
        return Rejection(code="not_enrolled", detail="该人员没有报名这个班级")
    if command.evaluated_on > command.today:
        return Rejection(code="evaluated_in_future", detail="考核日期不能晚于今天", status=422)
    if command.evaluated_on < state.starts_on:
        return Rejection(code="evaluated_before_class", detail="考核日期不能早于开班日期", status=422)
    if trainee.passed is not None:
        return Rejection(code="already_passed", detail="该学员已考核合格")
    if len(trainee.evaluations) >= MAX_EVALUATIONS:
        return Rejection(code="evaluations_used_up", detail=f"每名学员每班最多考核 {MAX_EVALUATIONS} 次")
    return [
        TraineeEvaluated(
            class_id=id,
            person_id=command.person_id,
            evaluator_code=command.evaluator_code,
            norm=command.norm,
            score=command.score,
            passed=command.passed,
            evaluated_on=command.evaluated_on,
        )
    ]


CLASS: Aggregate[TrainingClass] = Aggregate("cls", EVENTS, TrainingClass, evolve)
