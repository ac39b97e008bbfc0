"""`claim_post_vs_bare_insert`: a complete claim, beside a bare endpoint that inserts one row."""

import statistics
from datetime import date
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import msgspec

from services.subsidy.intake.facts import CertificateFact, OrganisationFact, PersonFact, RoleFact
from shared.eventstore.needs import Fact
from shared.values.bank_card import luhn_digit
from shared.values.ids import new_id, uuid7
from tests.bench.load import rendered, run
from tests.bench.scene import Scene, encoded, scene

POLICY = Path(__file__).parents[2] / "services/subsidy/policies/training-fee-subsidy-2023.json"
CONNECTIONS = 64
REQUESTS = 3000
WARM_UP = 1000


async def measure(directory: Path, rounds: int) -> dict[str, float]:
    """Medians over alternating rounds, each of new claims by new people."""
    async with scene(directory, "subsidy") as place:
        await _policy(place)
        ours, bare = [], []
        for number in range(rounds + 1):
            count = REQUESTS if number else WARM_UP
            bodies = await _bodies(place, count)
            token = place.tokens["app"]
            claims = [
                rendered(
                    f"{place.url}/v1/claims",
                    "POST",
                    {"authorization": f"Bearer {token}", "idempotency-key": str(uuid4())},
                    body,
                )
                for body in bodies
            ]
            items = [rendered(f"{place.bare}/items", "POST", {}, body) for body in bodies]
            one = await run(place.url, claims, connections=CONNECTIONS, expect=201)
            two = await run(place.bare, items, connections=CONNECTIONS, expect=201)
            if number:
                ours.append(one)
                bare.append(two)
    ratios = [one / two for one, two in zip(ours, bare, strict=True)]
    return {
        "claim_post_vs_bare_insert": round(statistics.median(ratios), 3),
        "claim_post_per_s": round(statistics.median(ours), 1),
        "bare_insert_per_s": round(statistics.median(bare), 1),
    }


async def _policy(place: Scene) -> None:
    policy = msgspec.json.decode(POLICY.read_bytes())
    async with httpx.AsyncClient(base_url=place.url, trust_env=False) as http:
        for role, path, body in (
            ("policy", "/v1/policies", policy),
            ("policy/approver", f"/v1/policies/{policy['programme']}/{policy['version']}:activate", None),
        ):
            headers = {"authorization": f"Bearer {place.tokens[role]}"}
            (await http.post(path, json=body, headers=headers)).raise_for_status()


async def _bodies(place: Scene, count: int) -> list[bytes]:
    """Bodies of claims whose facts have arrived: as many people, organisations and certificates."""
    facts: list[tuple[str, str, bytes]] = []
    bodies = []
    day = date(2025, 2, 3)

    def note(fact: Fact, key: str) -> None:
        facts.append((type(fact).__name__, key, encoded(fact)))

    for n in range(count):
        person, organisation = new_id("per", uuid7()), new_id("org", uuid7())
        number = f"SH2025-B-{uuid4().hex[:16]}"
        card = f"622202{n:09d}"
        role = RoleFact(person, "legal_representative", date(2024, 1, 2))
        certificate = CertificateFact(
            new_id("crt", uuid7()), number, "qualification", "start_up", person, new_id("prj", uuid7()),
            new_id("ins", uuid7()), "310115", day,
        )  # fmt: skip
        note(PersonFact(person), person)
        note(OrganisationFact(organisation, "310115", date(2024, 1, 2), None, (role,)), organisation)
        note(certificate, number)
        bodies.append(
            encoded(
                {
                    "programme": "training-fee-subsidy",
                    "person_id": person,
                    "organisation_id": organisation,
                    "certificate_no": number,
                    "payee_account": {
                        "kind": "bank_account",
                        "holder": "欧阳𠮷光",
                        "number": card + luhn_digit(card),
                        "bank": "上海银行",
                    },
                    "channel": "app",
                    "accepting_district": "310115",
                }
            )
        )
    connection = await asyncpg.connect(place.database)
    log_id = uuid4()
    await connection.copy_records_to_table(
        "fact",
        records=[(*fact, log_id, n) for n, fact in enumerate(facts)],
        columns=["kind", "key", "value", "log_id", "position"],
    )
    await connection.execute("analyze fact")
    await connection.close()
    return bodies
