"""`consume_vs_plain`: one process that applies registry's events as subsidy does, beside a plain consumer.

Both read the same topic of Apache Kafka, as registry's relay filled it, into the same PostgreSQL with `fsync`, in the
same process and on the same event loop. Ours are the consumer, the inbox and the intake that subsidy runs: each
position takes effect once, its fact and the note of it in one transaction, what cannot be handled is parked. The peer
is a loop over aiokafka with its usual settings, a group, offsets committed every five seconds, JSON decoded by msgspec,
one prepared INSERT per message, each its own transaction: it applies again what comes again, and the first message
that it stumbles over ends it. Both begin with empty tables and without offsets; the clock starts with the first message
that is applied, so that joining a group is no part of it, and stops with the last commit.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer

from services.registry.domain.person import PersonRegistered
from services.subsidy.intake.facts import LISTENS, PersonFact
from shared.messaging.consumer import Consumer
from shared.messaging.inbox import Inbox
from shared.messaging.intake import Intake
from shared.messaging.topics import Delivered, topic_of
from shared.runtime.parts import open_pool
from tests.bench.carrying import Carrying, carrying, publish
from tests.bench.city import registered_persons
from tests.bench.kernel import collector_spared, on_uvloop
from tests.bench.rounds import alternate, median, ratio

SOURCE = "registry"
EVENTS = 20_000
PLAIN = 4_000
"""How many messages of them the peer applies: its rate is that of single commits, and does not change."""
PATIENCE = 120.0


def measure(directory: Path, rounds: int) -> dict[str, float]:
    return on_uvloop(_measure(directory, rounds))


async def _measure(directory: Path, rounds: int) -> dict[str, float]:
    async with carrying(directory, SOURCE, "subsidy") as place:
        await publish(place, SOURCE, registered_persons(EVENTS))
        dsn = place.settings.databases["subsidy"]
        async with await open_pool(dsn) as pool:
            await pool.execute("create table bare_fact (key text primary key, value bytea not null)")

            async def ours() -> float:
                return await _consumed(place, pool)

            async def plain() -> float:
                return await _plain(place, pool)

            with collector_spared():
                fast, slow = await alternate(rounds, ours, plain)
    return {
        "consume_vs_plain": ratio(fast, slow),
        "consumed_events_per_s": median(fast),
        "plain_events_per_s": median(slow),
    }


async def _consumed(place: Carrying, pool: asyncpg.Pool) -> float:
    """Events per second by subsidy's consumer."""
    await pool.execute("truncate fact, applied, applied_above, consumer_offset, parked")
    effect = Intake(LISTENS).effect
    began: list[float] = []

    async def timed(connection: asyncpg.Connection, batch: Sequence[Delivered]) -> None:
        if not began:
            began.append(time.perf_counter())
        await effect(connection, batch)

    consumer = Consumer(pool, Inbox(pool, "intake", timed), [SOURCE], place.settings.kafka)
    task = asyncio.create_task(consumer.run())
    try:
        async with asyncio.timeout(PATIENCE):
            while await pool.fetchval("select watermark from applied where source = $1", SOURCE) != EVENTS:
                await asyncio.sleep(0.005)
        seconds = time.perf_counter() - began[0]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    facts = await pool.fetchval("select count(*) from fact where kind = $1", PersonFact.__name__)
    if facts != EVENTS:
        raise RuntimeError(f"{facts} facts of {EVENTS} events")
    return EVENTS / seconds


class _Registered(msgspec.Struct):
    payload: PersonRegistered


async def _plain(place: Carrying, pool: asyncpg.Pool) -> float:
    """Messages per second by a plain consumer."""
    await pool.execute("truncate bare_fact")
    decoder = msgspec.json.Decoder(_Registered)
    consumer = AIOKafkaConsumer(
        topic_of(SOURCE),
        bootstrap_servers=place.settings.kafka,
        group_id=f"plain-{uuid4()}",
        auto_offset_reset="earliest",
    )
    await consumer.start()
    applied, began = 0, 0.0
    try:
        async with pool.acquire() as connection:
            insert = await connection.prepare("insert into bare_fact (key, value) values ($1, $2)")
            async for message in consumer:
                if not message.value:
                    continue  # the markers of our relay
                began = began or time.perf_counter()
                person = decoder.decode(message.value).payload
                await insert.fetch(person.person_id, msgspec.json.encode(PersonFact(person.person_id)))
                applied += 1
                if applied == PLAIN:
                    break
        return applied / (time.perf_counter() - began)
    finally:
        await consumer.stop()
