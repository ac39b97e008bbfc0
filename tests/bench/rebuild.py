"""`rebuild_events_per_s`: the histories of a whole city, rebuilt from Apache Kafka alone.

What is timed is what `huchuang history --from kafka` and `huchuang verify` do (`deploy/local/rebuilt.py`), from the
first question to the broker until the last position of the last log has been seen: fetch, check sums, unpacking, the
log and the stream of each record, each position once, records by stream and by the claims they mention.
`rebuild_with_claims_events_per_s` goes on until every claim's history has been put together as the command prints it:
all its records read, its own folded to a claim, in order of the business clock. The city is that of `city.py`, as
the services' sequencers and relays published it. No database is asked.
"""

import time
from pathlib import Path

import asyncpg

from deploy.local.rebuilt import Log, rebuilt
from services.audit.archive.history import assemble
from tests.bench import city
from tests.bench.carrying import Carrying, carrying, publish
from tests.bench.kernel import collector_spared, on_uvloop
from tests.bench.rounds import median

CLAIMS = 6000


def measure(directory: Path, rounds: int) -> dict[str, float]:
    return on_uvloop(_measure(directory, rounds))


async def _measure(directory: Path, rounds: int) -> dict[str, float]:
    async with carrying(directory, *city.SERVICES) as place:
        for service, rows in city.city(CLAIMS).items():
            await publish(place, service, rows)
        logs = {service: await _log(place, service) for service in city.SERVICES}
        with collector_spared():
            found = [await _rebuilt(place, logs) for _ in range(rounds + 1)][1:]
    return {
        "rebuild_events_per_s": median([rebuilding for rebuilding, _ in found], 0),
        "rebuild_with_claims_events_per_s": median([together for _, together in found], 0),
        "rebuild_events": sum(log.head for log in logs.values()),
    }


async def _log(place: Carrying, service: str) -> Log:
    connection = await asyncpg.connect(place.settings.databases[service])
    row = await connection.fetchrow("select log_id::text, position from log_head, log_identity")
    await connection.close()
    assert row is not None
    return Log(row["log_id"], row["position"])


async def _rebuilt(place: Carrying, logs: dict[str, Log]) -> tuple[float, float]:
    """Events per second, without and with every claim's history."""
    events = sum(log.head for log in logs.values())
    began = time.perf_counter()
    found = await rebuilt(place.settings.kafka, logs)
    read = time.perf_counter() - began
    paid = 0
    for stream in found.streams:
        if stream.startswith("clm_"):
            history = assemble(stream, found.related(stream))
            paid += history.claim.status == "paid" and len(history.items) == events // CLAIMS
    together = time.perf_counter() - began
    if paid != CLAIMS:
        raise RuntimeError(f"{paid} of {CLAIMS} claims have their whole history")
    return events / read, events / together
