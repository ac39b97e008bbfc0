"""`claim_post_vs_bare_insert`: a complete claim, beside a bare endpoint that inserts one row."""

from pathlib import Path
from uuid import uuid4

from services.subsidy.wiring import DEFINITION
from shared.eventstore.store import Store
from shared.runtime.parts import open_pool
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from tests.bench.kernel import put_policy_in_force as in_force
from tests.bench.load import rendered, run
from tests.bench.rounds import median, ratio
from tests.bench.scene import Scene, scene
from tests.bench.submissions import put_facts, submissions

CONNECTIONS = 64
REQUESTS = 3000
WARM_UP = 1000


async def measure(directory: Path, rounds: int) -> dict[str, float]:
    """Medians over alternating rounds, each of new claims by new people."""
    async with scene(directory, "subsidy") as place:
        await put_policy_in_force(place)
        ours, bare = [], []
        for number in range(rounds + 1):
            submitted = submissions(REQUESTS if number else WARM_UP)
            await put_facts(place.database, submitted)
            token = place.tokens["app"]
            claims = [
                rendered(
                    f"{place.url}/v1/claims",
                    "POST",
                    {"authorization": f"Bearer {token}", "idempotency-key": str(uuid4())},
                    item.body,
                )
                for item in submitted
            ]
            items = [rendered(f"{place.bare}/items", "POST", {}, item.body) for item in submitted]
            one = await run(place.url, claims, connections=CONNECTIONS, expect=201)
            two = await run(place.bare, items, connections=CONNECTIONS, expect=201)
            if number:
                ours.append(one)
                bare.append(two)
    return {
        "claim_post_vs_bare_insert": ratio(ours, bare),
        "claim_post_per_s": median(ours),
        "bare_insert_per_s": median(bare),
    }


async def put_policy_in_force(place: Scene) -> None:
    """Straight into the service's store: the role `api` carries out no simulation."""
    async with await open_pool(place.database) as pool:
        keyring = Keyring(FileMasterKey(place.settings.secret(place.service, "master.key")))
        await in_force(Store(pool, DEFINITION.aggregates, keyring))
