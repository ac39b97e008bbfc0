"""Claims to be submitted: the bodies, and the facts about their people, organisations and certificates."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple
from uuid import uuid4

import asyncpg
import msgspec

from services.subsidy.intake.facts import CertificateFact, OrganisationFact, PersonFact, RoleFact
from shared.eventstore.needs import Fact
from shared.values.bank_card import luhn_digit
from shared.values.ids import new_id, uuid7

DISTRICT = "310115"
ISSUED_ON = date(2025, 2, 3)
SINCE = date(2024, 1, 2)


class Submission(NamedTuple):
    """The body of a `POST /v1/claims`, and the facts that must have arrived before it, by key."""

    body: bytes
    facts: dict[str, Fact]


def submissions(count: int) -> list[Submission]:
    """Claims of as many people, organisations and certificates."""
    return [_submission(n) for n in range(count)]


def _submission(n: int) -> Submission:
    person, organisation = new_id("per", uuid7()), new_id("org", uuid7())
    number = f"SH2025-B-{uuid4().hex[:16]}"
    certificate = CertificateFact(
        new_id("crt", uuid7()), number, "qualification", "start_up", person, new_id("prj", uuid7()),
        new_id("ins", uuid7()), DISTRICT, ISSUED_ON,
    )  # fmt: skip
    role = RoleFact(person, "legal_representative", SINCE)
    facts = {
        person: PersonFact(person),
        organisation: OrganisationFact(organisation, DISTRICT, SINCE, None, (role,)),
        number: certificate,
    }
    card = f"622202{n:09d}"
    body = {
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
        "accepting_district": DISTRICT,
    }
    return Submission(msgspec.json.encode(body), facts)


async def put_facts(database: str, submitted: Iterable[Submission]) -> None:
    """Put the facts where subsidy keeps them, as if they had come from registry and training."""
    facts = [item for submission in submitted for item in submission.facts.items()]
    log_id = uuid4()
    connection = await asyncpg.connect(database)
    await connection.copy_records_to_table(
        "fact",
        records=[
            (type(fact).__name__, key, msgspec.json.encode(fact), log_id, n) for n, (key, fact) in enumerate(facts)
        ],
        columns=["kind", "key", "value", "log_id", "position"],
    )
    await connection.execute("analyze fact")
    await connection.close()
