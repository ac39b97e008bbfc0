"""Notify: what people are told. Where its parts are put together."""

from services.notify.api import messages, templates
from services.notify.domain.message import MESSAGE
from services.notify.intake.facts import LISTENS
from services.notify.processes.telling import TELLING
from services.notify.projections.lists import LISTERS
from shared.runtime.definition import ServiceDefinition
from shared.runtime.serve import serve as run
from shared.runtime.settings import Settings

DEFINITION = ServiceDefinition(
    name="notify",
    title="消息",
    aggregates=(MESSAGE,),
    routers=(messages.api, templates.api),
    listers=LISTERS,
    sources=("subsidy", "training", "loans"),
    listens=LISTENS,
    processes=(TELLING,),
)


def serve(settings: Settings, role: str) -> None:
    run(DEFINITION, settings, role)
