"""A budget line reconciled: long work that folds every claim, batch and recovery of the line, and changes nothing.

(B-35)
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from services.subsidy.domain.budget import BUDGET_LINE, Budget, stream_of
from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.payment_batch import PAYMENT_BATCH
from services.subsidy.domain.reconciliation import ZERO, Accounts, Reconciliation, batches_of, reconciliation
from services.subsidy.domain.recovery import RECOVERY
from services.subsidy.projections.money import lists_of, versions_at
from shared.eventstore.decider import Aggregate
from shared.eventstore.interruptions import AskLater
from shared.eventstore.listing import shows_what_is_there
from shared.eventstore.needs import Needs
from shared.eventstore.store import Store
from shared.runtime.long_work import Progress

S = TypeVar("S")

RECONCILIATION = "reconciliation"
CAUGHT_UP_WITHIN = 30.0
AT_ONCE = 100
"""How many streams are folded in one round trip: some ten milliseconds for which nobody else has the event loop."""


class ReconciliationAsked(msgspec.Struct, frozen=True):
    line: str


async def reconcile(store: Store, input: bytes, progress: Progress) -> Reconciliation:
    """The line as its events tell it, as of the position that the lists show. Begun again, it starts over."""
    line = msgspec.json.decode(input, type=ReconciliationAsked).line
    if not await shows_what_is_there(store.pool, CAUGHT_UP_WITHIN):
        raise AskLater("the lists have not caught up")
    lists = await lists_of(store.pool, line)
    claims = await _folded(store, CLAIM, lists.claims, progress)
    of_claims = [claim.recovery_id for claim in claims.values() if claim.recovery_id is not None]
    recoveries = await _as_of(store, RECOVERY, of_claims, lists.position)
    batches = await _as_of(store, PAYMENT_BATCH, batches_of(claims.values()), lists.position)
    stream = stream_of(line)
    budget = (await _as_of(store, BUDGET_LINE, [stream], lists.position)).get(stream, Budget())
    accounts = Accounts(
        line=line,
        budget=lists.budget or ZERO,
        claims=claims,
        batches=batches,
        recoveries=recoveries,
        received=lists.received,
        ledger=lists.committed if lists.complete else None,
        carried_to=budget.carried_to,
    )
    return reconciliation(accounts, lists.position)


async def _as_of(store: Store, aggregate: Aggregate[S], streams: Sequence[str], position: int) -> dict[str, S]:
    return await _folded(store, aggregate, await versions_at(store.pool, streams, position))


async def _folded(
    store: Store, aggregate: Aggregate[S], versions: Mapping[str, int], progress: Progress | None = None
) -> dict[str, S]:
    """The streams, each up to its version."""
    states: dict[str, S] = {}
    streams = sorted(versions)
    for start in range(0, len(streams), AT_ONCE):
        some = streams[start : start + AT_ONCE]
        work = await store.look(Needs(streams=tuple(some)))
        states |= {id: aggregate.fold(item.event for item in work.history(id)[: versions[id]]) for id in some}
        if progress is not None:
            await progress.tell(len(states), len(streams))
    return states
