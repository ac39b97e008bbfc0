"""What subsidy's processes have in common."""

from typing import NamedTuple

from services.subsidy.accounts import AccountIndex
from services.subsidy.domain.budget import BUDGET_LINE
from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_decisions import ClaimCommand, decide
from services.subsidy.domain.notice import NOTICE
from services.subsidy.domain.policy import PROGRAMME
from services.subsidy.domain.upcasts import UPCASTS
from shared.eventstore.decider import Rejection
from shared.eventstore.record import EventTypes
from shared.eventstore.store import Store
from shared.eventstore.work import Answer, Work
from shared.runtime.long_work import Operations
from shared.web.peers import Peers

OWN = EventTypes([CLAIM, NOTICE, PROGRAMME, BUDGET_LINE], UPCASTS)
DONE = Answer(204, b"")


class Outside(NamedTuple):
    """Whom subsidy's processes ask: its own store and vault, registry, its long work, and its index of accounts."""

    store: Store
    peers: Peers
    operations: Operations
    accounts: AccountIndex


def carried(work: Work, claim_id: str, wanted: ClaimCommand) -> Answer | Rejection:
    """Carry out a command on a claim that is loaded."""
    decision = decide(wanted, work.state(CLAIM, claim_id))
    if isinstance(decision, Rejection):
        return decision
    work.append(CLAIM, claim_id, decision)
    return DONE
