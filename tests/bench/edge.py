"""`edge_cost`: what a complete `POST /v1/claims` takes, in parts of the same kernel command served without the edge."""

from pathlib import Path
from uuid import uuid4

from tests.bench.claims import CONNECTIONS, REQUESTS, WARM_UP, put_policy_in_force
from tests.bench.load import rendered, run
from tests.bench.rounds import median, ratio
from tests.bench.scene import scene
from tests.bench.submissions import put_facts, submissions


async def measure(directory: Path, rounds: int) -> dict[str, float]:
    """Medians over alternating rounds, each of new claims by new people; 0.25 means that the edge adds a quarter."""
    async with scene(directory, "subsidy", "tests.bench.edgeless:app") as place:
        await put_policy_in_force(place)
        found: dict[str, list[float]] = {place.url: [], place.bare: []}
        for number in range(rounds + 1):
            for url, rates in found.items():
                submitted = submissions(REQUESTS if number else WARM_UP)
                await put_facts(place.database, submitted)
                claims = [
                    rendered(
                        f"{url}/v1/claims",
                        "POST",
                        {"authorization": f"Bearer {place.tokens['app']}", "idempotency-key": str(uuid4())},
                        item.body,
                    )
                    for item in submitted
                ]
                rate = await run(url, claims, connections=CONNECTIONS, expect=201)
                if number:
                    rates.append(rate)
    with_edge, without = found[place.url], found[place.bare]
    return {
        "edge_cost": round(ratio(without, with_edge) - 1, 3),
        "claims_with_edge_per_s": median(with_edge),
        "claims_without_edge_per_s": median(without),
    }
