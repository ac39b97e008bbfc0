"""Signed heads from the table in which a service keeps them to whoever holds them, over crashes and lost brokers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import ConsumerRecord
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.local import ports
from deploy.local.brokers.running import running_broker
from services.audit.archive.heads import remember, seen
from shared.eventstore.record import canonical
from shared.eventstore.store import Store
from shared.messaging import heads as publishing
from shared.messaging.broker import PARTITIONS
from shared.messaging.heads import HeadConsumer, HeadPublisher
from shared.messaging.topics import HEADS
from shared.proof.examine import examine
from shared.proof.findings import Entry, Kind
from shared.proof.heads import SIGNER, Head, Heads, HeadSigner, SignedHead, Signer
from shared.testing.fault_points import FaultPoint, Injected, armed
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from tests.brokers import CHOICES, Brokers
from tests.integration.eventstore.account import ACCOUNT
from tests.integration.eventstore.proving import Ledger
from tests.integration.messaging.conftest import SOURCE
from tests.integration.messaging.working import at_work, in_kafka, until

LOG = UUID(int=0x5EED)
STRANGER = Signer(Ed25519PrivateKey.generate(), SOURCE)
BAD: tuple[tuple[str, Any], ...] = (
    ("log_id", "no uuid"),
    ("root", "xy"),
    ("signed_at", datetime(2025, 3, 3)),  # noqa: DTZ001
    ("signed_at", datetime.max.replace(tzinfo=timezone(timedelta(hours=-8)))),
)
TABLE = Path("services/audit/migrations/sql/seen_head.sql")


@pytest.fixture
async def ledger(pool: asyncpg.Pool, keys: Path, tmp_path: Path) -> Ledger:
    store = Store(pool, [ACCOUNT], Keyring(FileMasterKey(keys)))
    return await Ledger.opened(store, pool, Signer.from_file(tmp_path / "log.pem", SOURCE))


@pytest.fixture(params=CHOICES)
async def bootstrap(request: pytest.FixtureRequest, brokers: Brokers) -> AsyncIterator[str]:
    """Each kind of broker, with the topic of heads, empty."""
    async with brokers.with_topics(request.param, HEADS) as broker:
        yield broker.bootstrap


@pytest.fixture
async def audit(pool: asyncpg.Pool) -> asyncpg.Pool:
    """A database in which heads are remembered."""
    await pool.execute(TABLE.read_text(encoding="utf-8"))
    return pool


async def signed(ledger: Ledger, heads: int) -> list[int]:
    """Let the log grow and sign it some times; returns the sizes."""
    sizes = []
    for _ in range(heads):
        await ledger.fill(2)
        sizes.append((await ledger.sign()).head.tree_size)
    return sizes


def sizes_of(messages: list[ConsumerRecord]) -> list[int]:
    return [msgspec.json.decode(message.value, type=SignedHead).head.tree_size for message in messages]


async def remembered(audit: asyncpg.Pool) -> list[SignedHead]:
    """What audit holds of SOURCE, in the order in which it came."""
    return [msgspec.json.decode(held.json, type=SignedHead) for held in reversed(await seen(audit, SOURCE, None, 200))]


async def until_remembered(audit: asyncpg.Pool, sizes: list[int], working: object) -> None:
    async def all_there() -> bool:
        return [held.head.tree_size for held in await remembered(audit)] == sizes

    await until(all_there, working)  # type: ignore[arg-type]


def consumer(audit: asyncpg.Pool, bootstrap: str) -> HeadConsumer:
    return HeadConsumer(audit, remember, [SOURCE], bootstrap)


async def test_every_head_that_is_kept_is_published_as_it_was_signed_in_order_of_size(
    ledger: Ledger, pool: asyncpg.Pool, bootstrap: str
) -> None:
    sizes = await signed(ledger, 5)
    publisher = HeadPublisher(pool, SOURCE, bootstrap)
    assert await publisher.step()
    sizes += await signed(ledger, 2)
    assert await publisher.step()
    assert not await publisher.step()
    await publisher.close()
    messages = await in_kafka(bootstrap, HEADS, len(sizes))
    assert sizes_of(messages) == sizes
    assert {message.key for message in messages} == {SOURCE.encode()}
    assert [message.value for message in messages] == [kept.json for kept in await Heads(pool).after(0, 100)]


async def test_a_head_whose_publisher_died_before_it_noted_it_is_published_again(
    ledger: Ledger, pool: asyncpg.Pool, bootstrap: str
) -> None:
    sizes = await signed(ledger, 2)
    for point in (FaultPoint.PUBLISH_READ, FaultPoint.PUBLISH_ACKNOWLEDGED):
        dying = HeadPublisher(pool, SOURCE, bootstrap)
        with armed(point), pytest.raises(Injected):
            await dying.step()
        await dying.close()
    async with at_work(HeadPublisher(pool, SOURCE, bootstrap).run()):
        messages = await in_kafka(bootstrap, HEADS, 4)
    assert sizes_of(messages) == sizes * 2


async def test_the_signer_wakes_the_publisher(
    ledger: Ledger, pool: asyncpg.Pool, bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "POLL_SECONDS", 600.0)
    publisher = HeadPublisher(pool, SOURCE, bootstrap)
    signer = HeadSigner(pool, ledger.reader, ledger.signer, publisher.wake)
    async with at_work(publisher.run()) as working:

        async def known() -> bool:
            return publisher._known is not None

        await until(known, working)
        await ledger.fill(3)
        assert await signer.sign() is not None

        async def published() -> bool:
            return publisher.position == 3

        await until(published, working)


async def test_an_empty_broker_gets_all_heads_again_and_each_is_remembered_once(
    ledger: Ledger, audit: asyncpg.Pool, tmp_path: Path
) -> None:
    port = ports.any_free()
    bootstrap = f"127.0.0.1:{port}"
    async with at_work(HeadPublisher(audit, SOURCE, bootstrap).run(), consumer(audit, bootstrap).run()) as working:
        async with running_broker(tmp_path, port=port, topics=(HEADS,)):
            sizes = await signed(ledger, 3)
            await until_remembered(audit, sizes, working)
        sizes += await signed(ledger, 2)  # while there is no broker at all
        async with running_broker(tmp_path, port=port, topics=(HEADS,)):
            await until_remembered(audit, sizes, working)
            again = await in_kafka(bootstrap, HEADS, len(sizes))
    assert sizes_of(again)[-len(sizes) :] == sizes
    assert [held.head.tree_size for held in await remembered(audit)] == sizes


class Frozen:
    """A pool for a process that stops before it writes."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.woken = asyncio.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._pool, name)

    async def execute(self, *query: object) -> str:
        await self.woken.wait()
        done: str = await self._pool.execute(*query)
        return done


async def test_of_two_signers_one_signs_and_after_being_frozen_it_keeps_no_older_head_behind_a_newer(
    ledger: Ledger, pool: asyncpg.Pool
) -> None:
    stopped = Frozen(pool)
    frozen, other = (HeadSigner(each, ledger.reader, ledger.signer) for each in (stopped, pool))
    await ledger.fill(2)
    reached = asyncio.Event()
    with armed(FaultPoint.HEAD_SIGNED, reached.set):
        late = asyncio.create_task(frozen.sign())
        await reached.wait()  # it has a head of 2 in its hand
    assert await other.sign() is None
    await pool.execute("update lease set expires_at = '-infinity' where name = $1", SIGNER)
    await ledger.fill(2)
    assert await other.sign() is not None
    stopped.woken.set()
    assert await late is None
    assert [kept.tree_size for kept in await Heads(pool).after(0, 10)] == [4]


def head_of(size: int, root: str = "5d" * 32, **more: object) -> Head:
    told = {"log_id": str(LOG), "hash": "sm3", "signed_at": datetime(2025, 3, 3, tzinfo=UTC), "service": SOURCE, **more}
    return Head(tree_size=size, root=root, **told)  # type: ignore[arg-type]


async def publish(bootstrap: str, *messages: tuple[bytes | None, bytes | None]) -> None:
    """Put keys and values into the topic, whatever they are."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        for key, value in messages:
            await producer.send_and_wait(HEADS, value, key=key, partition=0)
    finally:
        await producer.stop()


async def test_two_heads_of_one_size_are_both_held_and_examined_they_are_a_finding(
    ledger: Ledger, audit: asyncpg.Pool, bootstrap: str
) -> None:
    await signed(ledger, 1)
    [true] = [msgspec.json.decode(kept.json, type=SignedHead) for kept in await Heads(audit).after(0, 1)]
    forged = ledger.signer.sign(msgspec.structs.replace(true.head, root="5d" * 32))
    stranger = Signer(Ed25519PrivateKey.generate(), SOURCE).sign(true.head)
    key = SOURCE.encode()
    await publish(bootstrap, *((key, msgspec.json.encode(each)) for each in (true, forged, stranger, true, forged)))
    async with at_work(consumer(audit, bootstrap).run()) as working:
        await until_remembered(audit, [2, 2, 2], working)
        await publish(bootstrap, (key, msgspec.json.encode(ledger.signer.sign(head_of(9)))))
        await until_remembered(audit, [2, 2, 2, 9], working)
    assert (await remembered(audit))[:3] == [true, forged, stranger]
    entries = [Entry(item.position, canonical(item.record), item.leaf) for item in await ledger.reader.read(0)]
    for held, named in (([true], []), ([true, forged], [Kind.RE_SIGNED]), ([true, stranger], [Kind.RE_SIGNED])):
        assert [finding.kind for finding in examine(entries, held, [ledger.signer.public_bytes])] == named


async def test_what_is_no_head_is_parked_and_holds_nobody_up(audit: asyncpg.Pool, bootstrap: str) -> None:
    key, true = SOURCE.encode(), STRANGER.sign(head_of(3))
    good = msgspec.json.encode(true)
    no_heads = [
        (key, None),
        (key, b"not json"),
        (key, b'{"more":' + b"[" * 1900),
        (key, msgspec.json.encode(msgspec.structs.replace(true, key_id="x" * 3000))),
        (key, good.replace(b":", b": ")),
        (key, good.replace(b"{", b'{"more":1,', 1)),
        (None, good),
        (b"\x00\xff", good),
        (Random(7).randbytes(5000), good),
        (b"other", msgspec.json.encode(STRANGER.sign(head_of(3, service="other")))),
        *((key, msgspec.json.encode(STRANGER.sign(head_of(3, **{name: bad})))) for name, bad in BAD),
        (key, msgspec.json.encode(STRANGER.sign(head_of(0)))),
        (key, msgspec.json.encode(STRANGER.sign(head_of(2**63)))),
    ]
    await publish(bootstrap, *no_heads, (key, good))

    async def all_noted() -> bool:
        noted = await audit.fetchval("select sum(next_offset) from consumer_offset")
        return bool(noted == len(no_heads) + 1)

    for _ in range(2):
        async with at_work(consumer(audit, bootstrap).run()) as working:
            await until(all_noted, working)
        await audit.execute("delete from consumer_offset")  # all of it comes again
    assert await remembered(audit) == [true]
    parked = await audit.fetch("select source, reason, record from parked order by id")
    assert [row["record"] for row in parked] == [value or b"" for _, value in no_heads]
    assert all(row["source"] == "heads" and HEADS in row["reason"] for row in parked)


async def test_a_consumer_goes_on_where_it_stopped(ledger: Ledger, audit: asyncpg.Pool, bootstrap: str) -> None:
    taken: list[int] = []

    async def watched(connection: asyncpg.Connection, heads: Sequence[SignedHead]) -> None:
        taken.extend(signed.head.tree_size for signed in heads)
        await remember(connection, heads)

    async def all_noted() -> bool:
        noted = await audit.fetchval("select sum(next_offset) from consumer_offset")
        return bool(noted == len(sizes) + PARTITIONS)  # a marker in each

    sizes: list[int] = []
    publisher = HeadPublisher(audit, SOURCE, bootstrap)
    for _ in range(2):
        sizes += await signed(ledger, 3)
        assert await publisher.step()
        async with at_work(HeadConsumer(audit, watched, [SOURCE], bootstrap).run()) as working:
            await until(all_noted, working)
    await publisher.close()
    assert taken == sizes == [held.head.tree_size for held in await remembered(audit)]
