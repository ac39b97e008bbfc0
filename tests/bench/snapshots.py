"""Claims by the hundred thousand in a log of their own, for what reads all of them."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from typing import Any

import asyncpg
from msgspec.structs import replace

from services.subsidy.domain.claim_decisions import screened
from services.subsidy.domain.claim_events import ClaimEvent, ClaimRejected, ClaimScreened, ClaimSubmitted
from services.subsidy.domain.policy_version import PolicyVersion
from shared.values.districts import District
from shared.values.randomness import random_bytes
from tests.bench.pasts import EVENT_COLUMNS, facts, past, rows

KINDS = 512
"""Different pasts; each claim has one of them, and an id of its own."""
PIECE = 2000
DISTRICTS = [district.value for district in District]
FIRST = date(2024, 1, 8)


def pasts(version: PolicyVersion) -> list[list[tuple[Any, ...]]]:
    """Rows of `event` of as many claims, of all districts and of many days, every fourth of them rejected."""
    key = random_bytes(16)
    return [list(rows(*_varied(version, number), key)) for number in range(KINDS)]


def _varied(version: PolicyVersion, number: int) -> tuple[str, list[ClaimEvent]]:
    claim, events = past(version)
    day = FIRST + timedelta(days=number)
    submitted, judged = events[0], events[1]
    assert isinstance(submitted, ClaimSubmitted)
    assert isinstance(judged, ClaimScreened)
    known = replace(
        facts(),
        submitted_on=day,
        certificate_issued_on=day - timedelta(days=30 + number % 340),
        organisation_registered_on=day - timedelta(days=400 + number),
        organisation_area="310000" if number % 8 == 3 else DISTRICTS[number % 16],
        places_held=number % 3,
    )
    own = replace(submitted, submitted_on=day, review_district=DISTRICTS[number % 16])
    begun: list[ClaimEvent] = [own, screened(version, known, day), events[2]]
    if number % 4 == 3:
        return claim, [*begun, ClaimRejected("reviewer", ("不符合",), day)]
    return claim, [*begun, *events[3:]]


async def put_log(connection: asyncpg.Connection, version: PolicyVersion, events: int) -> int:
    """Put claims with `events` events in all into an empty store and its log; returns how many claims they are."""
    kinds = pasts(version)
    await connection.execute("set session_replication_role = replica")
    position, claims = await connection.fetchval("select position from log_head"), 0
    numbered = _numbered(kinds)
    wanted = position + events
    while position < wanted:
        piece = list(islice(numbered, PIECE))
        claims += len(piece)
        flat = [row for claim in piece for row in claim]
        await connection.copy_records_to_table(
            "stream", records=[(claim[0][0], len(claim)) for claim in piece], columns=["id", "version"]
        )
        await connection.copy_records_to_table("event", records=flat, columns=EVENT_COLUMNS)
        # All claims of a piece go forward together: the events of one are far apart in the log.
        order = sorted(flat, key=lambda row: row[1])
        await connection.copy_records_to_table(
            "log",
            records=[(position + n, row[0], row[1], b"\0" * 32) for n, row in enumerate(order, 1)],
            columns=["position", "stream", "version", "leaf_hash"],
        )
        position += len(flat)
    await connection.execute("update log_head set position = $1", position)
    await connection.execute("set session_replication_role = origin")
    await connection.execute("vacuum analyze stream, event, log")
    return claims


def _numbered(kinds: list[list[tuple[Any, ...]]]) -> Iterator[list[tuple[Any, ...]]]:
    number = 0
    while True:
        id = f"clm_{number:012}"
        yield [(id, *row[1:]) for row in kinds[number % KINDS]]
        number += 1
