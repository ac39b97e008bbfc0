"""`append_vs_eventsourcing`, `claim_command_vs_eventsourcing`: commands in our store, beside the peer's `save`.

The first is a claim command with what every append has: one sealed field, a reservation, an idempotency row
(`reservation.py`). The second is what `POST /v1/claims` asks of the store: facts and policy are loaded as well, eight
rules judged, two events with two sealed fields and an answer of two kilobytes written. The peer's aggregates are made
beforehand: only its `save` of one new aggregate is timed.
"""

import asyncio
from pathlib import Path

from shared.eventstore.store import Store
from tests.bench.commands import new_claims
from tests.bench.kernel import carried_out, kernel, on_uvloop, sequence
from tests.bench.peer import Claim, Claims, Peer, peer
from tests.bench.peer import new_claims as new_aggregates
from tests.bench.reservation import RESERVATION, reservations
from tests.bench.rounds import alternate, median, ratio

COMMANDS = 3000
SAVES = 500


def measure(directory: Path, rounds: int) -> dict[str, float]:
    return on_uvloop(_measure(directory, rounds))


async def _measure(directory: Path, rounds: int) -> dict[str, float]:
    async with kernel(directory) as place:
        with peer(place.server) as locking, peer(place.server, functions=True) as unlocked:
            store = Store(place.pool, [RESERVATION], place.store.keyring)

            async def appends() -> float:
                return await carried_out(store, reservations(COMMANDS))

            async def commands() -> float:
                await sequence(place)
                return await carried_out(place.store, await new_claims(place, COMMANDS))

            async def saves() -> float:
                return await asyncio.to_thread(_saves, locking)

            async def unlocked_saves() -> float:
                return await asyncio.to_thread(_saves, unlocked)

            lean, ours, theirs, fastest = await alternate(rounds, appends, commands, saves, unlocked_saves)
    return {
        "append_vs_eventsourcing": ratio(lean, theirs),
        "claim_command_vs_eventsourcing": ratio(ours, theirs),
        "appends_per_s": median(lean),
        "claim_commands_per_s": median(ours),
        "eventsourcing_saves_per_s": median(theirs),
        "eventsourcing_unlocked_saves_per_s": median(fastest),
    }


def _saves(peer: Peer) -> float:
    return peer.best(_save, lambda: new_aggregates(SAVES))


def _save(application: Claims, claim: Claim) -> None:
    application.save(claim)
