"""Registry: people, organisations and roles, institutions, carriers, banks. Where its parts are put together."""

from services.registry.api import organisations, persons
from services.registry.domain.disclosure import DISCLOSURE
from services.registry.domain.organisation import ORGANISATION
from services.registry.domain.person import PERSON
from shared.runtime.definition import ServiceDefinition
from shared.runtime.serve import serve as run
from shared.runtime.settings import Settings

DEFINITION = ServiceDefinition(
    name="registry",
    title="登记",
    aggregates=(PERSON, ORGANISATION, DISCLOSURE),
    routers=(persons.api, organisations.api),
)


def serve(settings: Settings, role: str) -> None:
    run(DEFINITION, settings, role)
