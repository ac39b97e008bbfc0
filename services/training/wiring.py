"""Training: projects, classes, enrolment, evaluation, certificates. Where its parts are put together."""

from services.training.api import certificates, classes, evaluators, projects, verification
from services.training.domain.certificate import CERTIFICATE
from services.training.domain.evaluator import EVALUATOR
from services.training.domain.project import PROJECT
from services.training.domain.series import SERIES
from services.training.domain.training_class import CLASS
from services.training.intake.registry import LISTENS
from services.training.projections.lists import LISTERS
from shared.runtime.definition import ServiceDefinition
from shared.runtime.serve import serve as run
from shared.runtime.settings import Settings

DEFINITION = ServiceDefinition(
    name="training",
    title="培训",
    aggregates=(EVALUATOR, PROJECT, CLASS, CERTIFICATE, SERIES),
    routers=(evaluators.api, projects.api, classes.api, certificates.api, verification.api),
    listers=LISTERS,
    sources=("registry",),
    listens=LISTENS,
)


def serve(settings: Settings, role: str) -> None:
    run(DEFINITION, settings, role)
