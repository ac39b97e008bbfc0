"""A policy version simulated over all claims of its programme: long work that reads snapshots and folds nothing.

Nothing is changed by it but the policy's own stream, which tells that the version was simulated, and with what result.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from services.subsidy.domain.policy import (
    PROGRAMME,
    PolicySimulated,
    Programme,
    RecordSimulation,
    decide,
    not_simulable,
    stream_of,
)
from services.subsidy.domain.screening import Compiled, compiled
from services.subsidy.domain.simulation import Simulation, Tally, compare
from services.subsidy.projections.snapshots import SNAPSHOTS, decode_facts
from shared.eventstore.calls import Context
from shared.eventstore.decider import Rejection
from shared.eventstore.interruptions import AskLater
from shared.eventstore.listing import shows_what_is_there
from shared.eventstore.needs import IdempotencyKey, Needs
from shared.eventstore.record import Actor
from shared.eventstore.store import Store
from shared.eventstore.work import Answer, Work
from shared.runtime.long_work import Progress
from shared.values.ids import uuid7

SIMULATION = "policy-simulation"
PIECE = 500
"""Claims judged in one go: some six milliseconds for which nobody else has the event loop."""
CAUGHT_UP_WITHIN = 30.0

_LIVE = "(select build from projection_build where name = 'snapshots' and state = 'live')"
_COUNT = f"select count(*) from claim_snapshot where build = {_LIVE} and programme = $1"
_READ = (
    "select id, district, month, standing, amount, policy_version, facts from claim_snapshot"
    f" where build = {_LIVE} and programme = $1 order by id"
)


class SimulationAsked(msgspec.Struct, frozen=True):
    """Which version is to be simulated, and who asked."""

    programme: str
    version: str
    actor: Actor


async def simulate(store: Store, input: bytes, progress: Progress) -> Simulation | Rejection:
    """Judge every claim of the programme by the version and record what came of it. Begun again, it judges again."""
    asked = msgspec.json.decode(input, type=SimulationAsked)
    stream = stream_of(asked.programme)
    programme = (await store.look(Needs(streams=(stream,)))).state(PROGRAMME, stream)
    if (refusal := not_simulable(programme, asked.version)) is not None:
        return refusal
    if not await shows_what_is_there(store.pool, CAUGHT_UP_WITHIN, SNAPSHOTS):
        raise AskLater("the snapshots of claims have not caught up")
    result = await judged(store.pool, programme, asked.programme, asked.version, progress)
    return await _recorded(store, stream, result, asked.actor)


async def judged(pool: asyncpg.Pool, known: Programme, programme: str, version: str, progress: Progress) -> Simulation:
    """What the version makes of every snapshot of its programme."""
    simulated = compiled(known.versions[version].policy)
    before = {name: compiled(item.policy) for name, item in known.versions.items()}
    total: int = await pool.fetchval(_COUNT, programme)
    tally, done = Tally(), 0
    async with _pieces(pool, programme) as pieces:
        async for rows in pieces:
            _add(tally, rows, before, simulated)
            done += len(rows)
            await progress.tell(done, total)
    return tally.result(progress.operation, programme, version)


def _add(tally: Tally, rows: Sequence[Any], before: Mapping[str, Compiled], simulated: Compiled) -> None:
    for id, district, month, standing, amount, version, facts in rows:
        judge = None if facts is None else before.get(version)
        if judge is None:
            tally.not_judged += 1
        else:
            tally.add(id, district, month, compare(standing, amount, decode_facts(facts), judge, simulated))


@asynccontextmanager
async def _pieces(pool: asyncpg.Pool, programme: str) -> AsyncIterator[AsyncIterator[Sequence[Any]]]:
    """The snapshots as they stand now, a piece at a time; the next one is read while this one is judged."""
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        cursor = await connection.cursor(_READ, programme)
        reading = asyncio.ensure_future(cursor.fetch(PIECE))

        async def pieces() -> AsyncIterator[Sequence[Any]]:
            nonlocal reading
            while rows := await reading:
                reading = asyncio.ensure_future(cursor.fetch(PIECE))
                await asyncio.sleep(0)
                yield rows

        try:
            yield pieces()
        finally:
            await asyncio.wait([reading])


async def _recorded(store: Store, stream: str, result: Simulation, actor: Actor) -> Simulation | Rejection:
    told = PolicySimulated(
        programme=result.programme,
        version=result.version,
        simulation_id=result.simulation_id,
        claims=result.claims,
        gaining=result.gaining,
        losing=result.losing,
        paid_now=result.cost_now,
        paid_then=result.cost_then,
        simulated_by=actor.user or actor.client,
    )

    def handle(work: Work) -> Answer | Rejection:
        decision = decide(RecordSimulation(told), work.state(PROGRAMME, stream))
        if isinstance(decision, Rejection):
            return decision
        work.append(PROGRAMME, stream, decision)
        return Answer(204, b"", stream, work.version(stream))

    context = Context(actor=actor, correlation_id=uuid7())
    key = IdempotencyKey("process:simulation", result.simulation_id, b"")
    outcome = (await store.carry_out(Needs(streams=(stream,)), handle, context, key)).outcome
    return outcome if isinstance(outcome, Rejection) else result
