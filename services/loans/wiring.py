"""Loans: whitelists of founders for banks. Where its parts are put together."""

from services.loans.api import approval, batches, changes, check, entries, signing_keys, snapshots
from services.loans.domain.batch import BATCH
from services.loans.domain.entry import ENTRY
from services.loans.domain.key_rotation import KEY_ROTATION
from services.loans.intake import facts, partners
from services.loans.intake.partner_keys import PartnerKeys
from services.loans.processes.expiry import EXPIRY
from services.loans.processes.recheck import RECHECK
from services.loans.projections.lists import LISTERS
from shared.runtime.definition import ServiceDefinition, SignedExchange
from shared.runtime.serve import serve as run
from shared.runtime.settings import Settings

DEFINITION = ServiceDefinition(
    name="loans",
    title="创业担保贷款",
    aggregates=(BATCH, ENTRY, KEY_ROTATION),
    routers=(check.api, changes.api, snapshots.api, batches.api, approval.api, entries.api, signing_keys.api),
    listers=LISTERS,
    sources=("registry", "training"),
    listens=(*facts.LISTENS, *partners.LISTENS),
    processes=(EXPIRY, RECHECK),
    outside=lambda around: around.store,
    signing=SignedExchange(key_of=PartnerKeys),
    tables_apart=("whitelist_snapshot", "used_nonce"),
)


def serve(settings: Settings, role: str) -> None:
    run(DEFINITION, settings, role)
