"""Snapshots of claims follow the log, are built anew beside the live ones, and are what a simulation judges."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import pytest

from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_decisions import screened
from services.subsidy.domain.policy import PROGRAMME, PolicyDrafted, PolicySimulated, stream_of
from services.subsidy.domain.simulation import Simulation
from services.subsidy.domain.snapshot import Snapshot
from services.subsidy.processes.simulation import PIECE, SIMULATION, SimulationAsked, simulate
from services.subsidy.projections import snapshots as projection
from services.subsidy.projections.snapshots import SNAPSHOTS, snapshots
from shared.eventstore.decider import Aggregate, Event, Rejection
from shared.eventstore.derived import Derived
from shared.eventstore.needs import Needs
from shared.eventstore.projections import Builder, builds, request_build
from shared.eventstore.record import Actor
from shared.eventstore.store import new_context
from shared.eventstore.work import Answer, Work
from shared.runtime.long_work import Operations
from shared.values.ids import ClaimId
from tests.integration.places import Place
from tests.unit.subsidy.samples import CHECKED, PASTS, POLICY, SUBMITTED, facts, policy, submission
from tests.unit.subsidy.samples import TODAY as DAY
from tests.unit.subsidy.test_simulation import snapshot_of

PROGRAMME_STREAM = stream_of(POLICY.programme)
HIGHER = policy("higher", amount=Decimal("2000.00"))
ASKED = SimulationAsked(POLICY.programme, "higher", Actor("policy", "usr_1"))
OLD = "select exists (select from checkpoint where reader = 'projection:snapshots:1')"
MANY = 2 * PIECE + 10


async def put(place: Place, aggregate: Aggregate[Any], stream: str, events: Sequence[Event]) -> None:
    def handle(work: Work) -> Answer:
        for event in events:
            work.append(aggregate, stream, [event])
        return Answer(204, b"", stream)

    carried = await place.store.carry_out(Needs(streams=(stream,)), handle, new_context(Actor("test")))
    assert not isinstance(carried.outcome, Rejection)


async def put_claims(place: Place) -> dict[str, Snapshot]:
    """A claim in every state there is, each by a person of its own."""
    expected = {}
    for number, past in enumerate(PASTS.values()):
        claim, person = f"clm_{number:03}", f"per_{number}"
        own = submission(claim_id=ClaimId(claim), person_id=person, certificate_no=f"SH-{number}")
        events = [own if event == SUBMITTED else event for event in past]
        await put_bounded(place)
        await put(place, CLAIM, claim, events)
        expected[claim] = snapshot_of(*events)
    return expected


async def put_bounded(place: Place) -> None:
    """The budget line that the samples' approvals use."""
    await place.pool.execute(
        "insert into limit_bounded (scope, key, used, bound) values ('budget', 'training-fee-subsidy/2025', 0, 1000000)"
        " on conflict do nothing"
    )


async def rows(place: Place, build: int = 1) -> dict[str, Snapshot]:
    async with place.pool.acquire() as connection:
        ids = [row[0] for row in await connection.fetch("select id from claim_snapshot where build = $1", build)]
        return await projection._read(connection, build, ids)


async def follow(place: Place, *, batch: int = 500) -> None:
    await place.follow(snapshots(place.store.types), batch=batch)


@pytest.mark.parametrize("batch", [1, 3, 500])
async def test_snapshots_are_what_the_events_come_to_however_they_arrive(place: Place, batch: int) -> None:
    expected = await put_claims(place)
    await follow(place, batch=batch)
    assert await rows(place) == expected


@asynccontextmanager
async def building(place: Place) -> AsyncIterator[None]:
    task = asyncio.create_task(
        Builder(
            place.pool, place.reader, [snapshots(place.store.types)], Derived(place.pool, place.store.types)
        ).run()
    )  # fmt: skip
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_snapshots_are_built_anew_beside_the_live_ones_and_take_their_place(place: Place) -> None:
    expected = await put_claims(place)
    await follow(place)
    await place.pool.execute("update claim_snapshot set amount = 1")
    async with building(place), asyncio.timeout(60):
        build = await request_build(place.pool, SNAPSHOTS, projection.VERSION)
        while not any((item.build, item.state) == (build, "live") for item in await builds(place.pool)):
            await asyncio.sleep(0.05)
        while await place.pool.fetchval(OLD):
            await asyncio.sleep(0.05)
    assert await rows(place, build) == expected
    assert not await place.pool.fetchval("select exists (select from claim_snapshot where build = 1)")


async def simulated(place: Place) -> tuple[str, Simulation]:
    operations = Operations(place.pool, {SIMULATION: partial(simulate, place.store)})
    accepted = (await operations.accept(SIMULATION, "policy", ASKED)).operation
    while not await operations.step():
        await asyncio.sleep(0.05)
    found = await operations.find(accepted.id)
    assert found is not None
    assert found.result is not None, found.problem
    return accepted.id, msgspec.json.decode(found.result, type=Simulation)


@pytest.mark.clause("B-01")
async def test_a_simulation_judges_every_claim_and_is_told_on_the_policys_stream(place: Place) -> None:
    await put(place, PROGRAMME, PROGRAMME_STREAM, [PolicyDrafted(POLICY, "usr_1"), PolicyDrafted(HIGHER, "usr_1")])
    for start in range(0, MANY, 200):
        await asyncio.gather(*(put_pending(place, number) for number in range(start, min(start + 200, MANY))))
    await put(place, CLAIM, "clm_unjudged", [submission(person_id="per_x", certificate_no="SH-x")])
    await follow(place)
    id, result = await simulated(place)
    counts = (result.claims, result.not_judged, result.gaining, result.losing, result.unchanged)
    assert counts == (MANY, 1, MANY, 0, 0)
    assert (result.cost_now, result.cost_then) == (Decimal("1800.00") * MANY, Decimal("2000.00") * MANY)
    assert [(cell.district, cell.month, cell.gaining) for cell in result.by_district_and_month] == [
        ("310115", "2025-03", MANY)
    ]
    told = [event for event in await policy_events(place) if isinstance(event, PolicySimulated)]
    assert [(event.simulation_id, event.gaining, event.paid_then, event.simulated_by) for event in told] == [
        (id, MANY, result.cost_then, "usr_1")
    ]


async def put_pending(place: Place, number: int) -> None:
    claim = ClaimId(f"clm_{number:05}")
    own = submission(claim_id=claim, person_id=f"per_{number}", certificate_no=f"SH-{number}")
    await put(place, CLAIM, claim, [own, screened(POLICY, facts(), DAY), CHECKED])


async def policy_events(place: Place) -> list[Event]:
    work = await place.store.look(Needs(streams=(PROGRAMME_STREAM,)))
    return [item.event for item in work.history(PROGRAMME_STREAM)]


async def test_a_simulation_that_a_worker_died_in_is_told_once(place: Place) -> None:
    await put(place, PROGRAMME, PROGRAMME_STREAM, [PolicyDrafted(POLICY, "usr_1"), PolicyDrafted(HIGHER, "usr_1")])
    await follow(place)
    id, _ = await simulated(place)
    await follow(place)
    await simulated(place)  # another one, before the first is begun again
    await follow(place)
    await place.pool.execute("update operation set status = 'running', finished_at = null where id = $1", id)
    operations = Operations(place.pool, {SIMULATION: partial(simulate, place.store)})
    assert await operations.step()
    told = [event.simulation_id for event in await policy_events(place) if isinstance(event, PolicySimulated)]
    assert sorted(told) == sorted(set(told))
    assert len(told) == 2
