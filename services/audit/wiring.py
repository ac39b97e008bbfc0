"""Audit: the archive of all events and signed heads, claim histories, the console. Where its parts are put together."""

from services.audit.api import histories, proofs
from services.audit.archive.heads import remember
from services.audit.archive.intake import archive_batch
from services.audit.console import pages
from shared.messaging.inbox import Effect
from shared.runtime.definition import ServiceDefinition
from shared.runtime.serve import serve as run
from shared.runtime.settings import Settings


def _archive() -> Effect:
    return archive_batch


DEFINITION = ServiceDefinition(
    name="audit",
    title="审计",
    aggregates=(),
    routers=(histories.api, proofs.api, pages.api),
    sources=("registry", "training", "subsidy", "loans", "notify"),
    effect=_archive,
    heads=remember,
)


def serve(settings: Settings, role: str) -> None:
    run(DEFINITION, settings, role)
