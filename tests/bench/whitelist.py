"""`whitelist_check_vs_bare_get`: a bank's check among 200,000 entries, beside a bare GET by primary key.

Without the signatures of banks: what those cost is measured by `signatures`.
"""

import random
import statistics
from datetime import date
from pathlib import Path

import asyncpg

from services.loans.domain.entry import WHITELIST, WhitelistRow, whitelist_key
from shared.values.ids import WhitelistEntryId, new_id, uuid7
from tests.bench.load import rendered, run
from tests.bench.scene import Scene, encoded, scene

ENTRIES = 200_000
CONNECTIONS = 64
REQUESTS = 6000
WARM_UP = 2000
BANK = "demo-a"


async def measure(directory: Path, rounds: int) -> dict[str, float]:
    """Medians over alternating rounds, each asking for other entries."""
    chance = random.Random(7)
    async with scene(directory, "loans", application="tests.bench.unsigned_loans:app") as place:
        pairs = await _fill(place)
        ours, bare = [], []
        for number in range(rounds + 1):
            chosen = chance.choices(pairs, k=REQUESTS if number else WARM_UP)
            headers = {"authorization": f"Bearer {place.tokens[f'bank:{BANK}']}"}
            checks = [
                rendered(
                    f"{place.url}/v1/whitelist/check",
                    "POST",
                    headers,
                    encoded({"person_id": person, "organisation_id": organisation}),
                )
                for person, organisation in chosen
            ]
            gets = [rendered(f"{place.bare}/rows/{person}", "GET", {}) for person, _ in chosen]
            one = await run(place.url, checks, connections=CONNECTIONS, expect=200)
            two = await run(place.bare, gets, connections=CONNECTIONS, expect=200)
            if number:
                ours.append(one)
                bare.append(two)
    ratios = [one / two for one, two in zip(ours, bare, strict=True)]
    return {
        "whitelist_check_vs_bare_get": round(statistics.median(ratios), 3),
        "whitelist_check_per_s": round(statistics.median(ours), 1),
        "bare_get_per_s": round(statistics.median(bare), 1),
    }


async def _fill(place: Scene) -> list[tuple[str, str]]:
    pairs = [(new_id("per", uuid7()), new_id("org", uuid7())) for _ in range(ENTRIES)]
    connection = await asyncpg.connect(place.database)
    rows = []
    for person, organisation in pairs:
        row = WhitelistRow(WhitelistEntryId(new_id("wle", uuid7())), date(2026, 3, 3))
        rows.append((WHITELIST, whitelist_key(BANK, person, organisation), encoded(row)))
    await connection.copy_records_to_table("inline_row", records=rows, columns=["view", "key", "value"])
    bare = [(person, organisation) for person, organisation in pairs]
    await connection.copy_records_to_table("bare_row", records=bare, columns=["key", "value"])
    await connection.execute("analyze inline_row; analyze bare_row")
    await connection.close()
    return pairs
