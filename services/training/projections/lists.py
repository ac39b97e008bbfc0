"""How each resource is shown: in answers and in lists alike, a function of its state."""

from datetime import date

import msgspec

from services.training.domain.certificate import CERTIFICATE, Certificate
from services.training.domain.evaluator import EVALUATOR, Evaluator
from services.training.domain.project import PROJECT, Project
from services.training.domain.training_class import CLASS, Evaluation, TrainingClass
from shared.eventstore.listing import Listed, Lister


class EvaluatorShown(msgspec.Struct, frozen=True):
    id: str
    code: str
    name: str
    appointed_from: date
    appointed_until: date


class ProjectShown(msgspec.Struct, frozen=True):
    id: str
    code: str
    name: str
    stage: str
    organiser: str


class TraineeShown(msgspec.Struct, frozen=True):
    person_id: str
    enrolled_on: date
    passed: bool
    evaluations: tuple[Evaluation, ...]


class ClassShown(msgspec.Struct, frozen=True):
    """`enrolled` and `passed` are head counts."""

    id: str
    project_id: str
    stage: str
    institution_id: str
    institution_code: str
    district: str
    starts_on: date
    ends_on: date
    enrolled: int
    passed: int


class CertificateShown(msgspec.Struct, frozen=True):
    id: str
    number: str
    kind: str
    person_id: str
    project_id: str
    stage: str
    class_id: str
    institution_id: str
    institution_code: str
    district: str
    evaluator_code: str
    issued_on: date
    status: str
    revoked_on: date | None
    revoked_because: str | None


def evaluator(id: str, state: Evaluator) -> EvaluatorShown:
    return EvaluatorShown(id, state.code, state.name, state.appointed_from, state.appointed_until)


def project(id: str, state: Project) -> ProjectShown:
    return ProjectShown(id, state.code, state.name, state.stage, state.organiser)


def training_class(id: str, state: TrainingClass) -> ClassShown:
    return ClassShown(
        id,
        state.project_id,
        state.stage,
        state.institution_id,
        state.institution_code,
        state.district,
        state.starts_on,
        state.ends_on,
        len(state.trainees),
        sum(trainee.passed is not None for trainee in state.trainees.values()),
    )


def trainees(state: TrainingClass) -> list[TraineeShown]:
    return [
        TraineeShown(person_id, trainee.enrolled_on, trainee.passed is not None, trainee.evaluations)
        for person_id, trainee in state.trainees.items()
    ]


def certificate(id: str, state: Certificate) -> CertificateShown:
    return CertificateShown(
        id,
        state.number,
        state.kind,
        state.person_id,
        state.project_id,
        state.stage,
        state.class_id,
        state.institution_id,
        state.institution_code,
        state.district,
        state.evaluator_code,
        state.issued_on,
        state.status,
        state.revoked_on,
        state.revoked_because,
    )


def _evaluator(id: str, state: Evaluator) -> Listed:
    return Listed([f"code:{state.code}"], evaluator(id, state))


def _project(id: str, state: Project) -> Listed:
    facets = [f"code:{state.code}", f"stage:{state.stage}", f"organiser:{state.organiser}"]
    return Listed(facets, project(id, state))


def _class(id: str, state: TrainingClass) -> Listed:
    facets = [
        f"project_id:{state.project_id}",
        f"stage:{state.stage}",
        f"institution:{state.institution_code}",
        f"district:{state.district}",
    ]
    return Listed(facets, training_class(id, state))


def _certificate(id: str, state: Certificate) -> Listed:
    facets = [
        f"status:{state.status}",
        f"kind:{state.kind}",
        f"project_id:{state.project_id}",
        f"class_id:{state.class_id}",
        f"institution:{state.institution_code}",
        f"district:{state.district}",
        f"evaluator:{state.evaluator_code}",
    ]
    return Listed(facets, certificate(id, state))


LISTERS = (
    Lister("evaluator", EVALUATOR, _evaluator),
    Lister("project", PROJECT, _project),
    Lister("class", CLASS, _class),
    Lister("certificate", CERTIFICATE, _certificate),
)
