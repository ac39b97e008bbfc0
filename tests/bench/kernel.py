"""Where the event store is measured without HTTP: subsidy's store in this process, its peer's database beside it."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import uvloop

from deploy.local.migrations import migrate
from deploy.local.postgres import PostgresServer, running_postgres
from deploy.local.settings import CLOCK_START
from services.subsidy.domain.policy import (
    PROGRAMME,
    ActivatePolicy,
    DraftPolicy,
    PolicyCommand,
    PolicySimulated,
    RecordSimulation,
    decide,
    stream_of,
)
from services.subsidy.wiring import DEFINITION
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.reader import LogReader
from shared.eventstore.record import Actor
from shared.eventstore.sequencer import Sequencer
from shared.eventstore.store import Store, new_context
from shared.eventstore.work import Answer, Work
from shared.runtime.parts import open_pool
from shared.runtime.serve import spare_the_collector
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from tests.bench import peer
from tests.bench.endpoints import Asked
from tests.bench.pasts import policy

AT_ONCE = 64


class Kernel(NamedTuple):
    """`dsn` is the superuser's, on subsidy's database; the peer has a database of its own on the same `server`."""

    server: PostgresServer
    dsn: str
    pool: asyncpg.Pool
    store: Store
    reader: LogReader
    sequencer: Sequencer


def on_uvloop(measure: Coroutine[Any, Any, dict[str, float]]) -> dict[str, float]:
    """Run a scene on the event loop that the services run on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure)


@asynccontextmanager
async def kernel(directory: Path) -> AsyncIterator[Kernel]:
    """A server with subsidy's store and an empty database for the peer."""
    async with running_postgres(directory / "server") as server:
        await create_database(server, peer.DATABASE)
        async with opened(server, "subsidy", directory / "master.key") as place:
            yield place


@asynccontextmanager
async def opened(server: PostgresServer, database: str, master_key: Path) -> AsyncIterator[Kernel]:
    """Subsidy's store on a new database, a policy in force, the garbage collector set as a service sets it.

    Nobody sequences until `sequence` is called or the sequencer is run: a scene says itself when that happens.
    """
    await create_database(server, database)
    dsn = server.dsn(database)
    await asyncio.to_thread(migrate, "subsidy", dsn)
    async with await open_pool(dsn) as pool:
        await pool.execute("insert into business_clock (stands_at) values ($1)", CLOCK_START)
        store = Store(pool, DEFINITION.aggregates, Keyring(FileMasterKey(master_key)))
        reader = LogReader(pool)
        await reader.start()
        await put_policy_in_force(store)
        with collector_spared():
            yield Kernel(server, dsn, pool, store, reader, Sequencer(pool, store.appended, reader.advance))


async def create_database(server: PostgresServer, name: str) -> None:
    admin = await asyncpg.connect(server.dsn())
    await admin.execute(f"create database {name} template template0")
    await admin.close()


@contextmanager
def collector_spared() -> Iterator[None]:
    """The garbage collector as `shared.runtime.serve` sets it, for us and for the peer."""
    before = gc.get_threshold()
    spare_the_collector()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def put_policy_in_force(store: Store) -> None:
    """The shipped version of the training-fee subsidy, drafted, simulated over no claims, and activated."""
    version = policy()
    stream = stream_of(version.programme)
    nobody = PolicySimulated(
        version.programme, version.version, "opn_bench", 0, 0, 0, Decimal(0), Decimal(0), simulated_by="drafter"
    )
    for wanted in (
        DraftPolicy(version, "drafter"),
        RecordSimulation(nobody),
        ActivatePolicy(version.version, "approver"),
    ):

        def handle(work: Work, wanted: PolicyCommand = wanted) -> Answer | Rejection:
            decision = decide(wanted, work.state(PROGRAMME, stream))
            if isinstance(decision, Rejection):
                return decision
            work.append(PROGRAMME, stream, decision)
            return Answer(200, b"", stream)

        await carried_out(store, [Asked(Needs(streams=(stream,)), handle, new_context(Actor("bench")), None)])


async def carried_out(store: Store, commands: Sequence[Asked], at_once: int = AT_ONCE) -> float:
    """Carry out all commands, `at_once` at a time: commands per second. Raises RuntimeError when one was rejected."""
    waiting = iter(commands)

    async def one_after_the_other() -> None:
        for asked in waiting:
            outcome = (await store.carry_out(*asked)).outcome
            if isinstance(outcome, Rejection):
                raise RuntimeError(f"not carried out: {outcome}")

    began = time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
    return len(commands) / (time.perf_counter() - began)


async def sequence(place: Kernel) -> None:
    """Give every event that waits its position, as a worker does all the time."""
    while await place.sequencer.step():
        pass
