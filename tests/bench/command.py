"""`command_vs_eventsourcing`: load, decide and append on streams that are there, beside the peer's get and save.

Ours is what `POST /v1/claims/{id}/review` asks of the store: the claim and the policy are loaded, the claim is folded
and decided on, and an event and a sealed answer are written. The peer gets an aggregate with as many stored events
from its repository, triggers an event of the same content, and saves it.
"""

import asyncio
from pathlib import Path
from uuid import UUID

from tests.bench.commands import reviews, stored_claims
from tests.bench.kernel import carried_out, kernel, on_uvloop, sequence
from tests.bench.peer import Claim, Claims, Peer, peer, screened_claims
from tests.bench.rounds import alternate, median, ratio

COMMANDS = 3000
SAVES = 400


def measure(directory: Path, rounds: int) -> dict[str, float]:
    return on_uvloop(_measure(directory, rounds))


async def _measure(directory: Path, rounds: int) -> dict[str, float]:
    async with kernel(directory) as place:
        with peer(place.server) as locking, peer(place.server, functions=True) as unlocked:

            async def commands() -> float:
                asked = await reviews(place, await stored_claims(place, COMMANDS))
                await sequence(place)
                return await carried_out(place.store, asked)

            async def saves() -> float:
                return await asyncio.to_thread(_reviews, locking)

            async def unlocked_saves() -> float:
                return await asyncio.to_thread(_reviews, unlocked)

            ours, theirs, fastest = await alternate(rounds, commands, saves, unlocked_saves)
    return {
        "command_vs_eventsourcing": ratio(ours, theirs),
        "command_vs_eventsourcing_unlocked": ratio(ours, fastest),
        "review_commands_per_s": median(ours),
        "eventsourcing_commands_per_s": median(theirs),
        "eventsourcing_unlocked_commands_per_s": median(fastest),
    }


def _reviews(peer: Peer) -> float:
    return peer.best(_review, lambda: _stored_aggregates(peer.one))


def _stored_aggregates(application: Claims) -> list[UUID]:
    aggregates = screened_claims(SAVES)
    for claim in aggregates:
        claim.payee_checked(True)
    application.save(*aggregates)
    return [claim.id for claim in aggregates]


def _review(application: Claims, claim_id: UUID) -> None:
    claim: Claim = application.repository.get(claim_id)
    claim.reviewed("reviewer", "材料齐全", "2025-03-03")
    application.save(claim)
