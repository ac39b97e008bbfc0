"""Erasure takes the key and nothing else: the field is gone for good, and everything that was proved still is."""

from pathlib import Path

import asyncpg
import msgspec
import pytest

from shared.eventstore.needs import Needs
from shared.eventstore.record import canonical, parse
from shared.eventstore.store import Store
from shared.proof.evidence import Prover, verify_evidence
from shared.proof.examine import examine
from shared.proof.findings import Entry
from shared.proof.heads import Heads, Signer, verify_head
from shared.proof.merkle import consistent, leaf_hash, root_from_inclusion
from shared.proof.tree import LogTree
from shared.values.personal import REDACTED, Sealed
from tests.integration.eventstore.account import Opened
from tests.integration.eventstore.commands import open_account, stream_of
from tests.integration.eventstore.proving import Ledger

SECRET = "6222020000000000"
PERSON = "per_erased"


@pytest.fixture
async def ledger(store: Store, pool: asyncpg.Pool, tmp_path: Path) -> Ledger:
    return await Ledger.opened(store, pool, Signer.from_file(tmp_path / "log.pem", "ledger"))


async def sealed_of(store: Store, stream: str) -> tuple[object, Sealed[str]]:
    stored = (await store.look(Needs(streams=(stream,)))).history(stream)[0]
    assert isinstance(stored.event, Opened)
    assert isinstance(stored.event.secret, Sealed)
    return stored.id, stored.event.secret


async def copied(ledger: Ledger) -> list[Entry]:
    return [Entry(item.position, canonical(item.record), item.leaf) for item in await ledger.reader.read(0, 1000)]


async def check_everything(ledger: Ledger) -> None:
    """Every inclusion in every head, every pair of heads, and every stream's evidence."""
    tree, key = LogTree(ledger.pool), ledger.signer.public_bytes
    entries, kept = await copied(ledger), await Heads(ledger.pool).before(None, 100)
    assert len(kept) >= 2
    for head in kept:
        for found in await tree.inclusions(range(1, head.tree_size + 1), head.tree_size):
            assert found.leaf == leaf_hash(entries[found.position - 1].data)
            assert root_from_inclusion(found.position - 1, head.tree_size, found.leaf, found.proof) == head.root
        for older in kept:
            if older.tree_size <= head.tree_size:
                proof = await tree.consistency(older.tree_size, head.tree_size)
                assert consistent(older.tree_size, older.root, head.tree_size, head.root, proof)
    streams = sorted({parse(entry.data).stream for entry in entries})
    evidence = await Prover(ledger.pool, ledger.signer).evidence(streams, kept[0])
    assert verify_head(evidence.head, key)
    verified = verify_evidence(evidence, key, [(entry.position, entry.data) for entry in entries], streams)
    assert verified.findings == []
    assert len(verified.steps) == kept[0].tree_size


async def test_after_an_erasure_the_field_is_gone_and_every_proof_and_the_examination_still_hold(
    ledger: Ledger, store: Store, other_store: Store, pool: asyncpg.Pool
) -> None:
    await ledger.fill(9, 2)
    stream = stream_of(await open_account(store, "erased", PERSON, secret=SECRET))
    await ledger.fill(5)
    held = [await ledger.sign()]
    before = await copied(ledger)
    id, sealed = await sealed_of(store, stream)

    payload = await pool.fetchval("select payload from event where stream = $1", stream)
    assert SECRET.encode() not in payload
    assert not any(SECRET.encode() in entry.data for entry in before)
    assert await store.disclose([(id, sealed)]) == [SECRET]  # type: ignore[list-item]

    assert await store.erase(PERSON)
    for process in (store, other_store):
        again, still_sealed = await sealed_of(process, stream)
        assert await process.disclose([(again, still_sealed)]) == [REDACTED]  # type: ignore[list-item]

    assert await copied(ledger) == before
    await ledger.fill(3, 1)
    held.append(await ledger.sign())
    await check_everything(ledger)
    witness = [entry.leaf for entry in before]
    assert examine(await copied(ledger), held, [ledger.signer.public_bytes], witness) == []


async def test_erasing_by_blanking_the_event_instead_would_be_found(ledger: Ledger, pool: asyncpg.Pool) -> None:
    [*_, stream] = await ledger.fill(9)
    held = [await ledger.sign()]
    payload = await pool.fetchval("select payload from event where stream = $1", stream)
    blank = msgspec.json.decode(payload)
    blank["secret"]["box"] = ""
    await pool.execute("update event set payload = $2 where stream = $1", stream, msgspec.json.encode(blank))
    found = examine(await copied(ledger), held, [ledger.signer.public_bytes])
    assert [(finding.kind.value, finding.position) for finding in found] == [("changed", 9)]
