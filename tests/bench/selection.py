"""`claim_p99_beside_selection_ms`: what a claimant waits while thousands of claims are approved as long work."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import chain, count, pairwise
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import msgspec

from services.subsidy.domain.claim_events import ClaimEvent, ClaimSubmitted
from services.subsidy.intake.facts import CertificateFact, OrganisationFact, PersonFact, RoleFact
from shared.eventstore.needs import Fact
from shared.values.randomness import random_bytes
from tests.bench.claims import put_policy_in_force
from tests.bench.pasts import past, policy, put_events, rows
from tests.bench.rounds import median, ratio
from tests.bench.scene import Scene, scene
from tests.bench.submissions import DISTRICT, ISSUED_ON, SINCE, Submission, put_facts, submissions

CLAIMS = 1500
"""How many claims are approved in a round."""
BULK = 100_000
PER_SECOND = 50
IDLE_SECONDS = 10
REVIEWED = 4
"""How many events of a past lead up to the review."""


async def measure(directory: Path, rounds: int) -> dict[str, float]:
    """Medians over alternating rounds, each idle for a while and then with a selection that is being approved."""
    idle, busy, rates = [], [], []
    async with _prepared(directory) as (place, connection):
        for number in range(rounds + 1):
            alone = await _alone(place)
            beside, rate = await _beside(place, await _put_reviewed(connection, CLAIMS))
            if number:
                idle.append(alone)
                busy.append(beside)
                rates.append(rate)
    return {
        "claim_p99_beside_selection_ms": median(busy),
        "claim_p99_alone_ms": median(idle),
        "claim_p99_beside_selection_vs_alone": ratio(busy, idle),
        "selection_items_per_s": median(rates, 0),
    }


async def measure_bulk(directory: Path, rounds: int) -> dict[str, float]:
    """One selection of `BULK` claims, once, whatever `rounds` says: whether it comes to its end, and what others wait.

    `bulk_slowest_minute_vs_median`: how much slower than others the slowest minute of the work was.
    """
    async with _prepared(directory) as (place, connection):
        claims = await _put_reviewed(connection, BULK)
        alone = await _alone(place)
        done: list[int] = []
        beside, rate = await _beside(place, claims, done)
    minutes = [later - earlier for earlier, later in pairwise(done[::60])]
    return {
        "bulk_claims": BULK,
        "bulk_items_per_s": round(rate),
        "bulk_slowest_minute_vs_median": round(min(minutes) / statistics.median(minutes), 3) if minutes else 1.0,
        "bulk_claim_p99_alone_ms": round(alone, 1),
        "bulk_claim_p99_beside_ms": round(beside, 1),
        "bulk_claim_p99_beside_vs_alone": round(beside / alone, 3),
    }


@asynccontextmanager
async def _prepared(directory: Path) -> AsyncIterator[tuple[Scene, asyncpg.Connection]]:
    async with scene(directory, "subsidy", role="all", registry=True) as place:
        await put_policy_in_force(place)
        connection = await asyncpg.connect(place.database)
        await connection.execute(
            "insert into limit_bounded (scope, key, bound) values ('budget', 'training-fee-subsidy/2025', 1000000000)"
        )
        yield place, connection
        await connection.close()


async def _alone(place: Scene) -> float:
    """The 99th percentile of claims that are submitted while nothing else happens, ms."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(IDLE_SECONDS, over.set)
    return _p99(await _submitted(place, over))


async def _beside(place: Scene, claims: list[str], done: list[int] | None = None) -> tuple[float, float]:
    """The same while a selection is approved; and how many of its items per second are.

    `done` is filled with how many were, second by second.
    """
    over = asyncio.Event()
    submitting = asyncio.create_task(_submitted(place, over))
    began = time.perf_counter()
    await _approved(place, claims, [] if done is None else done)
    seconds = time.perf_counter() - began
    over.set()
    return _p99(await submitting), len(claims) / seconds


def _p99(waits: list[float]) -> float:
    return statistics.quantiles(waits, n=100)[98] * 1000


async def _submitted(place: Scene, over: asyncio.Event) -> list[float]:
    """Claims submitted at a steady rate until told to stop: how long each waited for its answer, seconds."""
    waiting: Iterator[Submission] = chain.from_iterable(submissions(PER_SECOND) for _ in count())
    waits: list[float] = []
    headers = {"authorization": f"Bearer {place.tokens['app']}", "content-type": "application/json"}
    limits = httpx.Limits(keepalive_expiry=2)  # the server closes what is idle for five seconds
    async with (
        httpx.AsyncClient(base_url=place.url, trust_env=False, timeout=30, limits=limits) as http,
        asyncio.TaskGroup() as tasks,
    ):

        async def one(submission: Submission) -> None:
            began = time.perf_counter()
            answer = await http.post(
                "/v1/claims", content=submission.body, headers={**headers, "idempotency-key": str(uuid4())}
            )
            waits.append(time.perf_counter() - began)
            if answer.status_code != 201:
                raise RuntimeError(answer.text)

        while not over.is_set():
            piece = [next(waiting) for _ in range(PER_SECOND)]
            await put_facts(place.database, piece)
            for submission in piece:
                tasks.create_task(one(submission))
                await asyncio.sleep(1 / PER_SECOND)
    return waits


async def _approved(place: Scene, claims: list[str], done: list[int]) -> None:
    headers = {"authorization": f"Bearer {place.tokens[f'district:{DISTRICT}/approver']}"}
    async with httpx.AsyncClient(base_url=place.url, trust_env=False, headers=headers, timeout=30) as http:
        body = {"claim_ids": claims, "decision": "approve"}
        accepted = (await http.post("/v1/claims:approve-selection", json=body)).raise_for_status().json()
        began = time.perf_counter()
        while (operation := (await http.get(f"/v1/operations/{accepted['id']}")).json())["finished_at"] is None:
            if time.perf_counter() - began >= len(done):
                done.append(operation["done"])
            await asyncio.sleep(0.1)
    if operation["result"] != {"succeeded": len(claims), "failed": 0}:
        raise RuntimeError(f"not all were approved: {operation}")


async def _put_reviewed(connection: asyncpg.Connection, number: int) -> list[str]:
    """Claims under review, with the facts that their approval asks for."""
    key, version = random_bytes(16), policy()
    reviewed = [(claim, events[:REVIEWED]) for claim, events in (past(version) for _ in range(number))]
    await put_events(connection, [row for claim, events in reviewed for row in rows(claim, events, key)])
    log_id = uuid4()
    facts = [item for _, events in reviewed for item in _facts(events)]
    await connection.copy_records_to_table(
        "fact",
        records=[(type(fact).__name__, key, msgspec.json.encode(fact), log_id, 0) for key, fact in facts],
        columns=["kind", "key", "value", "log_id", "position"],
    )
    await connection.execute("analyze fact")
    return [claim for claim, _ in reviewed]


def _facts(events: list[ClaimEvent]) -> Iterable[tuple[str, Fact]]:
    submitted = events[0]
    assert isinstance(submitted, ClaimSubmitted)
    person, organisation, number = submitted.person_id, submitted.organisation_id, submitted.certificate_no
    assert organisation is not None
    assert number is not None
    role = RoleFact(person, "legal_representative", SINCE - timedelta(days=1))
    yield person, PersonFact(person)
    yield organisation, OrganisationFact(organisation, DISTRICT, SINCE, None, (role,))
    yield (
        number,
        CertificateFact(
            str(submitted.certificate_id),
            number,
            "qualification",
            "start_up",
            person,
            str(submitted.project_id),
            str(submitted.institution_id),
            DISTRICT,
            ISSUED_ON,
        ),
    )
