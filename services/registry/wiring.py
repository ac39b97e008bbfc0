"""Registry: people, organisations and roles, institutions, carriers, banks. Where its parts are put together."""

from services.registry.api import banks, carriers, clients, consents, institutions, organisations, persons, tokens
from services.registry.domain.bank import BANK
from services.registry.domain.carrier import CARRIER
from services.registry.domain.client import CLIENT
from services.registry.domain.disclosure import DISCLOSURE
from services.registry.domain.institution import INSTITUTION
from services.registry.domain.key_rotation import KEY_ROTATION
from services.registry.domain.organisation import ORGANISATION
from services.registry.domain.person import PERSON
from services.registry.identities import IdentityIndex, index_in
from services.registry.processes.erasure import PROCESSES, Outside
from services.registry.projections.lists import LISTERS
from services.registry.tokens.signing import WRAPPED
from shared.runtime.definition import ServiceDefinition
from shared.runtime.serve import serve as run
from shared.runtime.settings import Settings

DEFINITION = ServiceDefinition(
    name="registry",
    title="登记",
    aggregates=(PERSON, ORGANISATION, INSTITUTION, CARRIER, BANK, DISCLOSURE, CLIENT, KEY_ROTATION),
    routers=(
        persons.api,
        consents.api,
        organisations.api,
        institutions.api,
        carriers.api,
        banks.api,
        clients.api,
        tokens.api,
    ),
    listers=LISTERS,
    processes=PROCESSES,
    outside=lambda around: Outside(around.store, index_in(around.settings)),
    listing_version=3,
    wrapped=(WRAPPED,),
    limits_apart=frozenset({IdentityIndex.SCOPE}),
    tables_apart=("signing_key", "used_assertion"),
)


def serve(settings: Settings, role: str) -> None:
    run(DEFINITION, settings, role)
