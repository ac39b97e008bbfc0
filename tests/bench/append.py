"""`append_vs_eventsourcing`, `claim_command_vs_eventsourcing`: commands in our store, beside the peer's `save`.

The first is a claim command with what every append has: one sealed field, a reservation, an idempotency row
(`reservation.py`). The second is what `POST /v1/claims` asks of the store: facts and policy are loaded as well, eight
rules judged, two events with two sealed fields and an answer of two kilobytes written. The peer's aggregates carry the
same, one event and two, and are made beforehand: only its `save` of one new aggregate is timed.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from shared.eventstore.store import Store
from tests.bench.commands import new_claims
from tests.bench.kernel import carried_out, kernel, on_uvloop, sequence
from tests.bench.peer import Claim, Claims, Peer, peer, screened_claims, submitted_claims
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
                return await asyncio.to_thread(_saves, locking, submitted_claims)

            async def saves_of_two() -> float:
                return await asyncio.to_thread(_saves, locking, screened_claims)

            async def unlocked_saves() -> float:
                return await asyncio.to_thread(_saves, unlocked, submitted_claims)

            lean, one, ours, two, fastest = await alternate(
                rounds, appends, saves, commands, saves_of_two, unlocked_saves
            )
    return {
        "append_vs_eventsourcing": ratio(lean, one),
        "append_vs_eventsourcing_unlocked": ratio(lean, fastest),
        "claim_command_vs_eventsourcing": ratio(ours, two),
        "appends_per_s": median(lean),
        "claim_commands_per_s": median(ours),
        "eventsourcing_saves_per_s": median(one),
        "eventsourcing_saves_of_two_events_per_s": median(two),
        "eventsourcing_unlocked_saves_per_s": median(fastest),
    }


def _saves(peer: Peer, new: Callable[[int], list[Claim]]) -> float:
    return peer.best(_save, lambda: new(SAVES))


def _save(application: Claims, claim: Claim) -> None:
    application.save(claim)
