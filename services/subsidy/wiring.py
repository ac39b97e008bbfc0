"""Subsidy: policies, claims, notices, budgets, payments. Where its parts are put together."""

from functools import partial

from services.subsidy.accounts import index_in
from services.subsidy.api import (
    budgets,
    bulk_decisions,
    claims,
    notices,
    objections,
    payment_files,
    payment_queries,
    payment_results,
    payments,
    policies,
    public_notices,
    reconciliations,
    recoveries,
    retentions,
    screenings,
    selections,
    signals,
    simulations,
    submission,
)
from services.subsidy.api.claim_view import CLAIM_VIEW
from services.subsidy.api.claim_view import listed as listed_claim
from services.subsidy.api.notice_view import listed as listed_notice
from services.subsidy.api.payment_view import listed_batch, listed_budget
from services.subsidy.api.recovery_view import listed as listed_recovery
from services.subsidy.domain.budget import BUDGET_LINE
from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.disclosure import DISCLOSURE
from services.subsidy.domain.notice import NOTICE
from services.subsidy.domain.payment_batch import PAYMENT_BATCH
from services.subsidy.domain.policy import PROGRAMME
from services.subsidy.domain.recovery import RECOVERY
from services.subsidy.domain.upcasts import UPCASTS
from services.subsidy.intake.facts import LISTENS
from services.subsidy.processes import (
    budget_processes,
    claim_processes,
    clocks,
    elsewhere,
    links,
    recovery_processes,
    rescreening,
)
from services.subsidy.processes.budget_processes import CARRYING, FREEING, carry, free
from services.subsidy.processes.parts import Outside
from services.subsidy.processes.reconciliation import RECONCILIATION, reconcile
from services.subsidy.processes.rescreening import RESCREENING, rescreen
from services.subsidy.processes.simulation import SIMULATION, simulate
from services.subsidy.projections.snapshots import snapshots
from shared.eventstore.listing import Lister
from shared.runtime.definition import ServiceDefinition
from shared.runtime.serve import serve as run
from shared.runtime.settings import Settings

DEFINITION = ServiceDefinition(
    name="subsidy",
    title="补贴",
    aggregates=(CLAIM, NOTICE, PROGRAMME, BUDGET_LINE, PAYMENT_BATCH, DISCLOSURE, RECOVERY),
    routers=(
        submission.api,
        claims.api,
        screenings.api,
        signals.api,
        bulk_decisions.api,
        selections.api,
        notices.api,
        objections.api,
        budgets.api,
        payments.api,
        payment_files.api,
        payment_queries.api,
        payment_results.api,
        recoveries.api,
        reconciliations.api,
        policies.api,
        simulations.api,
        public_notices.api,
        retentions.api,
    ),
    listing_version=3,
    listers=(
        Lister("claim", CLAIM, listed_claim),
        Lister("notice", NOTICE, listed_notice),
        Lister("policy", PROGRAMME, policies.listed),
        Lister("budget", BUDGET_LINE, listed_budget),
        Lister("payment-batch", PAYMENT_BATCH, listed_batch),
        Lister("recovery", RECOVERY, listed_recovery),
    ),
    projections=lambda types: (snapshots(types),),
    views=(CLAIM_VIEW,),
    sources=("registry", "training"),
    listens=LISTENS,
    processes=(
        *claim_processes.PROCESSES,
        *budget_processes.PROCESSES,
        *clocks.PROCESSES,
        *elsewhere.PROCESSES,
        *recovery_processes.PROCESSES,
        *links.PROCESSES,
        *rescreening.PROCESSES,
    ),
    upcasts=UPCASTS,
    outside=lambda around: Outside(around.store, around.peers, around.operations, index_in(around.settings)),
    long_work=lambda around: {
        RESCREENING: partial(rescreen, around.store),
        SIMULATION: partial(simulate, around.store),
        FREEING: partial(free, around.store),
        CARRYING: partial(carry, around.store),
        RECONCILIATION: partial(reconcile, around.store),
        **selections.decisions(around.store),
    },
)


def serve(settings: Settings, role: str) -> None:
    run(DEFINITION, settings, role)
