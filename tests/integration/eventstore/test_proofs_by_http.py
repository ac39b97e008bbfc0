"""`/v1/log`: what an auditor asks a service, and verifies without it."""

from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from shared.eventstore.record import canonical
from shared.eventstore.store import Store
from shared.proof.attestations import SignedAttestation, contradicts, verify_attestation
from shared.proof.evidence import Evidence, verify_evidence
from shared.proof.examine import examine
from shared.proof.findings import Kind, read_heads, read_records
from shared.proof.heads import Signer, verify_head
from shared.proof.merkle import consistent, root_from_inclusion
from tests.integration.eventstore.commands import move
from tests.integration.eventstore.proving import Ledger, asking


@pytest.fixture
async def ledger(store: Store, pool: asyncpg.Pool, tmp_path: Path) -> Ledger:
    """A log of 24 events in six streams, with heads of 6, 18 and 24."""
    made = await Ledger.opened(store, pool, Signer.from_file(tmp_path / "log.pem", "ledger"))
    streams = await made.fill(6)
    await made.sign()
    for _ in range(2):
        for stream in streams:
            await move(store, stream)
    await made.sequence()
    await made.sign()
    for stream in streams:
        await move(store, stream)
    await made.sequence()
    await made.sign()
    return made


async def streams_of(ledger: Ledger) -> list[str]:
    rows = await ledger.pool.fetch("select stream from log where version = 1 order by position")
    return [row["stream"] for row in rows]


async def get(client: httpx.AsyncClient, path: str, status: int = 200) -> Any:
    answer = await client.get(f"/v1/log{path}")
    assert answer.status_code == status, answer.text
    return answer.json()


def hashes(steps: list[str]) -> list[bytes]:
    return [bytes.fromhex(step) for step in steps]


async def test_heads_are_there_for_everyone_newest_first_and_by_size(ledger: Ledger) -> None:
    async with asking(ledger, None) as anyone:
        first = await anyone.get("/v1/log/heads?limit=2")
        rest = await anyone.get(first.links["next"]["url"])
        assert [item["head"]["tree_size"] for item in first.json()["items"]] == [24, 18]
        assert [item["head"]["tree_size"] for item in rest.json()["items"]] == [6]
        assert (first.json()["next"], rest.json()["next"]) == ("18", None)
        assert await get(anyone, "/head") == first.json()["items"][0]
        assert await get(anyone, "/heads/6") == rest.json()["items"][0]
        key = await get(anyone, "/key")
        for signed in read_heads((await anyone.get("/v1/log/heads")).content):
            assert verify_head(signed, bytes.fromhex(key["ed25519"]))
            assert signed.key_id == key["key_id"]


async def test_every_event_is_proved_included_in_every_head_that_covers_it(ledger: Ledger) -> None:
    async with asking(ledger) as auditor:
        for head in (await get(auditor, "/heads"))["items"]:
            size, root = head["head"]["tree_size"], head["head"]["root"]
            for position in range(1, size + 1):
                told = await get(auditor, f"/proofs/{position}?tree_size={size}")
                assert (told["tree_size"], told["root"]) == (size, root)
                reached = root_from_inclusion(position - 1, size, bytes.fromhex(told["leaf"]), hashes(told["proof"]))
                assert reached == bytes.fromhex(root)
        assert (await get(auditor, "/proofs/3"))["tree_size"] == 24
        assert (await get(auditor, "/proofs/3?tree_size=7"))["tree_size"] == 7


async def test_every_head_is_proved_a_prefix_of_every_later_one_to_whoever_holds_it(ledger: Ledger) -> None:
    async with asking(ledger, None) as anyone:
        heads = [item["head"] for item in (await get(anyone, "/heads"))["items"]]
        for second in heads:
            for first in heads:
                sizes = first["tree_size"], second["tree_size"]
                if sizes[0] > sizes[1]:
                    continue
                told = await get(anyone, f"/consistency?first={sizes[0]}&second={sizes[1]}")
                roots = bytes.fromhex(first["root"]), bytes.fromhex(second["root"])
                assert consistent(sizes[0], roots[0], sizes[1], roots[1], hashes(told["proof"]))
        assert (await get(anyone, "/consistency?first=6"))["second"] == 24


UNKNOWN = [
    ("/proofs/25", 404, "path:/position"),
    ("/proofs/19?tree_size=18", 404, "path:/position"),
    ("/proofs/0", 422, "path:/position"),
    ("/proofs/x", 422, "path:/position"),
    (f"/proofs/{2**70}", 422, "path:/position"),
    ("/proofs/1?tree_size=25", 422, "query:/tree_size"),
    ("/proofs/1?tree_size=0", 422, "query:/tree_size"),
    ("/proofs/1?tree_size=many", 422, "query:/tree_size"),
    ("/proofs", 422, "query:/stream"),
    ("/proofs?" + "&".join(f"stream=s{n}" for n in range(21)), 422, "query:/stream"),
    ("/proofs?stream=s&tree_size=7", 422, "query:/tree_size"),
    ("/heads/7", 404, "path:/tree_size"),
    ("/heads/-1", 422, "path:/tree_size"),
    ("/heads?limit=0", 422, "query:/limit"),
    ("/heads?limit=201", 422, "query:/limit"),
    ("/heads?cursor=x", 422, "query:/cursor"),
    ("/consistency", 422, "query:/first"),
    ("/consistency?first=0", 422, "query:/first"),
    ("/consistency?first=25", 422, "query:/first"),
    ("/consistency?first=7&second=6", 422, "query:/first"),
    ("/consistency?first=1&second=25", 422, "query:/second"),
    ("/records?after=-1", 422, "query:/after"),
    ("/records?limit=1001", 422, "query:/limit"),
    ("/streams/acc_unknown", 404, "path:/stream"),
    ("/streams/acc_unknown/attestation", 404, "path:/stream"),
    ("/streams/acc_unknown/attestation?tree_size=7", 422, "query:/tree_size"),
]


@pytest.mark.parametrize(("path", "status", "field"), UNKNOWN, ids=[path[:40] for path, _, _ in UNKNOWN])
async def test_what_there_is_not_and_what_cannot_be_is_a_problem_that_names_the_field(
    ledger: Ledger, path: str, status: int, field: str
) -> None:
    async with asking(ledger) as auditor:
        answer = await auditor.get(f"/v1/log{path}")
    problem = answer.json()
    assert answer.status_code == problem["status"] == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in problem["errors"]] == [field]
    assert all("一" <= text[0] <= "鿿" for text in (problem["detail"], problem["errors"][0]["detail"]))


async def test_a_log_without_a_head_says_so(store: Store, pool: asyncpg.Pool, tmp_path: Path) -> None:
    empty = await Ledger.opened(store, pool, Signer.from_file(tmp_path / "log.pem", "ledger"))
    async with asking(empty) as auditor:
        assert (await get(auditor, "/heads")) == {"items": [], "next": None}
        for path in ("/head", "/proofs/1", "/proofs?stream=s", "/consistency?first=1", "/streams/s/attestation"):
            assert (await get(auditor, path, 404))["code"] == "not_found"
        root = await get(auditor, "/root")
        assert root["root"] == root["recomputed"]


async def test_hashes_are_for_everyone_and_records_are_not(ledger: Ledger) -> None:
    inside = ("/records", "/streams/s", "/streams/s/attestation", "/proofs?stream=s", "/proofs/1", "/root")
    async with asking(ledger, None) as anyone, asking(ledger, "bank:demo-a") as bank:
        for path in inside:
            assert (await anyone.get(f"/v1/log{path}")).status_code == 401
            assert (await bank.get(f"/v1/log{path}")).status_code == 403


async def test_a_stream_is_read_whole_with_its_positions_and_leaves(ledger: Ledger) -> None:
    streams = await streams_of(ledger)
    async with asking(ledger) as auditor:
        everything = read_records((await auditor.get("/v1/log/records?limit=1000")).content)
        for stream in streams:
            told = read_records((await auditor.get(f"/v1/log/streams/{stream}")).content)
            assert told == [entry for entry in everything if f'"stream":"{stream}"'.encode() in entry.data]
            assert len(told) == 4


async def test_records_come_page_by_page_until_there_are_no_more(ledger: Ledger) -> None:
    async with asking(ledger) as auditor:
        found, after = [], "0"
        while after is not None:
            page = await auditor.get(f"/v1/log/records?limit=10&after={after}")
            found += read_records(page.content)
            after = page.json()["next"]
    assert [entry.position for entry in found] == list(range(1, 25))


async def test_an_attestation_says_the_newest_version_at_its_size_and_a_later_event_contradicts_it_only_within(
    ledger: Ledger,
) -> None:
    stream = (await streams_of(ledger))[2]
    items = [item for item in await ledger.reader.read(0) if item.record.stream == stream]
    async with asking(ledger) as auditor:
        for size, version in ((6, 1), (18, 3), (24, 4)):
            answer = await auditor.get(f"/v1/log/streams/{stream}/attestation?tree_size={size}")
            signed = msgspec.json.decode(answer.content, type=SignedAttestation)
            said = signed.attestation
            assert verify_attestation(signed, ledger.signer.public_bytes)
            assert (said.stream, said.version, said.tree_size) == (stream, version, size)
            assert said.leaf == items[version - 1].leaf.hex()
            assert said.root == (await get(auditor, f"/heads/{size}"))["head"]["root"]
            assert [contradicts(said, item.record, item.position) for item in items] == [False] * 4
            assert contradicts(said, items[3].record, size) == (version < 4)
        newest = await auditor.get(f"/v1/log/streams/{stream}/attestation")
        assert newest.json()["attestation"]["tree_size"] == 24


async def test_the_evidence_of_streams_is_verified_with_no_service_to_ask(ledger: Ledger) -> None:
    mine = (await streams_of(ledger))[:2]
    await move(ledger.store, mine[0])
    await ledger.sequence()
    items = [item for item in await ledger.reader.read(0) if item.record.stream in mine]
    records = [(item.position, canonical(item.record)) for item in items]
    async with asking(ledger) as auditor:
        answer = await auditor.get(f"/v1/log/proofs?stream={mine[0]}&stream={mine[1]}&stream=acc_unknown")
    evidence = msgspec.json.decode(answer.content, type=Evidence)
    key = ledger.signer.public_bytes
    verified = verify_evidence(evidence, key, records, mine)
    assert verified.findings == []
    assert sorted(verified.steps) == [position for position, _ in records if position <= 24]
    assert len(records) == len(verified.steps) + 1  # the newest stands beyond the head
    forged = [(position, data.replace(b'"by":1', b'"by":2')) for position, data in records]
    assert len(verify_evidence(evidence, key, forged, mine).findings) == 6
    assert verify_evidence(evidence, key, records[1:], mine).findings == [f"{mine[0]} 缺少 1 个已声明的事件"]
    assert verify_evidence(evidence, bytes(32), records, mine).findings == ["日志头的签名无效"]


async def test_a_saved_log_and_saved_heads_are_examined_and_what_was_done_in_the_database_is_named(
    ledger: Ledger,
) -> None:
    witness = [item.leaf for item in await ledger.reader.read(0)]
    key = ledger.signer.public_bytes

    async def saved() -> tuple[bytes, bytes, Any]:
        async with asking(ledger) as auditor:
            records, heads = await auditor.get("/v1/log/records?limit=1000"), await auditor.get("/v1/log/heads")
            return records.content, heads.content, await get(auditor, "/root")

    records, heads, root = await saved()
    assert examine(read_records(records), read_heads(heads), [key], witness) == []
    assert (
        root["root"]
        == root["recomputed"]
        == msgspec.json.decode(heads, type=dict[str, Any])["items"][0]["head"]["root"]
    )
    await ledger.pool.execute(
        "update event e set payload = convert_to(replace(convert_from(payload, 'utf8'), '1', '7'), 'utf8')"
        " from log l where l.position = 11 and (e.stream, e.version) = (l.stream, l.version)"
    )
    await ledger.pool.execute("update log set leaf_hash = sha256(leaf_hash) where position = 20")
    records, heads, root = await saved()
    found = examine(read_records(records), read_heads(heads), [key], witness)
    assert [(finding.kind, finding.position) for finding in found] == [(Kind.CHANGED, 11), (Kind.CHANGED, 20)]
    assert root["root"] != root["recomputed"]
