"""`append_at_10m_vs_10k`, `load_at_10m_vs_10k`: the same store with 10,000,000 events and with 10,000, in turns.

Not run by default: the larger store takes about 14 GB of disk and some minutes to fill. It is filled by SQL in the
server, with claims of ten events each and all that hangs on them. Loads are of the last thousand claims in both: what
a day's work is about. `single_load_ms_at_10m_any` is how long any claim of the whole past takes, at random.
"""

import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import asyncpg

from deploy.local.postgres import running_postgres
from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_events import ClaimSubmitted
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.record import Actor
from shared.eventstore.store import new_context
from shared.eventstore.work import Answer, Work
from shared.values.randomness import random_bytes
from tests.bench.commands import new_claims
from tests.bench.endpoints import Asked
from tests.bench.kernel import Kernel, carried_out, on_uvloop, opened
from tests.bench.pasts import past, policy, rows
from tests.bench.rounds import alternate, median, ratio

EVENTS_PER_CLAIM = 10
SMALL = 10_000 // EVENTS_PER_CLAIM
LARGE = 10_000_000 // EVENTS_PER_CLAIM
ANSWERS = 200_000
"""Claims whose stored answers have not expired yet: those of two busy days."""
PIECE = 20_000
COMMANDS = 2000
LOADS = 3000
SINGLE_LOADS = 500
FILL = Path(__file__).with_name("fill.sql")

LAST = "select id from stream where id like 'clm%' order by id desc limit $1"
ANY = "select id from stream where id like 'clm%' order by md5(id) limit $1"


def measure(directory: Path, rounds: int) -> dict[str, float]:
    return on_uvloop(_measure(directory, rounds))


async def _measure(directory: Path, rounds: int) -> dict[str, float]:
    async with running_postgres(directory / "server") as server, AsyncExitStack() as stack:
        small = await stack.enter_async_context(opened(server, "small", directory / "small.key"))
        large = await stack.enter_async_context(opened(server, "large", directory / "large.key"))
        await _fill(small, SMALL)
        await _fill(large, LARGE)
        few, last = await _ids(small, LAST, SMALL), await _ids(large, LAST, SMALL)
        whole_past = iter(await _ids(large, ANY, SINGLE_LOADS * (rounds + 1)))
        appends = await alternate(rounds, partial(_appends, large), partial(_appends, small))
        loads = await alternate(rounds, partial(_loads, large, last), partial(_loads, small, few))
        singles = await alternate(
            rounds, partial(_single_ms, large, cycle(last)), partial(_single_ms, small, cycle(few)),
            partial(_single_ms, large, whole_past),
        )  # fmt: skip
    return {
        "append_at_10m_vs_10k": ratio(*appends),
        "load_at_10m_vs_10k": ratio(*loads),
        "claim_commands_per_s_at_10m": median(appends[0]),
        "claim_commands_per_s_at_10k": median(appends[1]),
        "claim_loads_per_s_at_10m": median(loads[0]),
        "claim_loads_per_s_at_10k": median(loads[1]),
        "single_load_ms_at_10m": median(singles[0], 3),
        "single_load_ms_at_10k": median(singles[1], 3),
        "single_load_ms_at_10m_any": median(singles[2], 3),
    }


async def _appends(place: Kernel) -> float:
    """Claim commands per second."""
    return await carried_out(place.store, await new_claims(place, COMMANDS))


async def _loads(place: Kernel, claims: list[str]) -> float:
    """Claims loaded and folded per second, many at once."""
    return await carried_out(place.store, [_looked_at(claim) for claim in islice(cycle(claims), LOADS)])


async def _single_ms(place: Kernel, claims: Iterator[str]) -> float:
    """How long the load of one claim takes, alone, ms."""
    began = time.perf_counter()
    for claim in islice(claims, SINGLE_LOADS):
        _folded(await place.store.look(Needs(streams=(claim,))), claim)
    return (time.perf_counter() - began) / SINGLE_LOADS * 1000


def _looked_at(stream: str) -> Asked:
    """A command that loads a claim and finds nothing to do."""

    def handle(work: Work) -> Answer | Rejection:
        _folded(work, stream)
        return Answer(204, b"", stream)

    return Asked(Needs(streams=(stream,)), handle, new_context(Actor("bench")), None)


def _folded(work: Work, stream: str) -> None:
    if work.state(CLAIM, stream).status != "paid":
        raise RuntimeError(f"{stream} is not paid")


# -- filling ----------------------------------------------------------------------------------------------------------


async def _ids(place: Kernel, query: str, count: int) -> list[str]:
    return [row[0] for row in await place.pool.fetch(query, count)]


async def _fill(place: Kernel, claims: int) -> None:
    """Fill a store, and leave it as vacuum and a checkpoint leave it."""
    claim, events = past(policy())
    submitted = events[0]
    assert isinstance(submitted, ClaimSubmitted)
    model = [
        (claim, submitted.person_id, submitted.certificate_no, row[1], row[3], row[-1])
        for row in rows(claim, events, random_bytes(16))
    ]
    connection = await asyncpg.connect(place.dsn)
    await connection.execute(
        "create table past (claim text, person text, certificate text, version int, type text, payload bytea)"
    )
    await connection.copy_records_to_table("past", records=model)
    await connection.execute(FILL.read_text(encoding="utf-8"))
    # Keys that nothing violates are not looked up ten million times over.
    await connection.execute("set session_replication_role = replica")
    for first in range(1, claims + 1, PIECE):
        last = min(first + PIECE - 1, claims)
        await connection.execute("select fill($1, $2, $3, $4)", first, last, claims, min(ANSWERS, claims))
    await connection.execute("vacuum (analyze, freeze)")
    await connection.execute("checkpoint")
    await connection.close()
