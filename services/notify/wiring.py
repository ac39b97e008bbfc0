"""Notify: what people are told. Where its parts are put together."""

from collections.abc import Mapping

from services.notify.api import messages, templates, webhook_attempts, webhook_endpoints
from services.notify.domain.message import MESSAGE
from services.notify.domain.webhook_attempt import WEBHOOK_ATTEMPT
from services.notify.domain.webhook_endpoint import WEBHOOK_ENDPOINT
from services.notify.intake.facts import LISTENS
from services.notify.processes.telling import TELLING
from services.notify.processes.webhooks import Webhooks
from services.notify.projections.lists import LISTERS
from services.notify.projections.webhooks import webhooks
from shared.runtime.definition import ServiceDefinition, Surroundings, Worker
from shared.runtime.serve import serve as run
from shared.runtime.settings import Settings
from shared.web.outside import Outside


def _workers(around: Surroundings) -> Mapping[str, Worker]:
    """Only the local profile's own machine may be told of anything under an inside address."""
    return {"webhooks": Webhooks(around.store, Outside(loopback=around.settings.profile == "local")).run}


DEFINITION = ServiceDefinition(
    name="notify",
    title="消息",
    aggregates=(MESSAGE, WEBHOOK_ENDPOINT, WEBHOOK_ATTEMPT),
    routers=(messages.api, templates.api, webhook_endpoints.api, webhook_attempts.api),
    listers=LISTERS,
    projections=lambda types: (webhooks(types),),
    sources=("subsidy", "training", "loans"),
    listens=LISTENS,
    processes=(TELLING,),
    workers=_workers,
)


def serve(settings: Settings, role: str) -> None:
    run(DEFINITION, settings, role)
