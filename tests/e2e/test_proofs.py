"""Proofs across the services: a claim is verified with no service to ask, and what is done in a database is named."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import msgspec
import pytest

from deploy.local import settings
from deploy.local.client import Client
from deploy.local.clock import settle
from deploy.local.demo.run import Outcome
from deploy.local.histories import read_archive
from deploy.local.verify.logs import check_log
from services.audit.archive.history import History, Located
from services.audit.archive.proofs import LogProof
from shared.proof.findings import read_heads, read_records
from shared.proof.heads import SignedHead, verify_head
from shared.proof.merkle import leaf_hash
from tests.e2e.browser import sign_in
from tests.e2e.caller import Caller
from tests.e2e.forger import Forger

pytestmark = pytest.mark.stack

OTHERS = ("registry", "training", "subsidy", "loans", "notify")


class Proofs(msgspec.Struct):
    """The answer of `/v1/claims/{id}/proofs`."""

    claim_id: str
    logs: list[LogProof]


@pytest.fixture
async def at_rest(demonstrated: Outcome, client: Client) -> Outcome:
    """The demo, when everything that it made is under a signed head."""
    await settle(client)
    await asyncio.sleep(1.2)  # heads are signed once a second
    return demonstrated


async def test_a_claim_is_verified_offline_record_by_record(at_rest: Outcome, client: Client, call: Caller) -> None:
    history = await read_archive(client, at_rest.claim_id)
    told = (await call.get("auditor", "audit", f"/v1/claims/{at_rest.claim_id}/history")).json()
    answer = await call.get("auditor", "audit", told["proofs"])
    proofs = msgspec.json.decode(answer.content, type=Proofs)
    assert proofs.claim_id == at_rest.claim_id
    proved = set()
    for log in proofs.logs:
        assert log.ed25519 == (await call.get(None, log.service, "/v1/log/key")).json()["ed25519"]
        verified = log.verify(history)
        assert verified.findings == []
        proved |= {(log.service, position) for position in verified.steps}
    assert proved == {(item.service, item.position) for item in history.items}

    victim = history.own[1]
    bent = msgspec.structs.replace(victim.record, recorded_at=history.own[0].record.occurred_at)
    items = [Located(victim.service, victim.position, bent) if item == victim else item for item in history.items]
    findings = [finding for log in proofs.logs for finding in log.verify(History(history.claim, items)).findings]
    assert findings == [f"位置 {victim.position} 的记录与被证明的叶散列不符"]
    without = History(history.claim, [item for item in history.items if item != victim])
    findings = [finding for log in proofs.logs for finding in log.verify(without).findings]
    assert findings == [f"{at_rest.claim_id} 缺少 1 个已声明的事件"]


async def test_audit_hands_on_the_heads_and_proofs_of_every_service(at_rest: Outcome, call: Caller) -> None:
    newest = (await call.get("auditor", "audit", "/v1/log/heads")).json()
    assert [item["head"]["service"] for item in newest["items"]] == list(OTHERS)
    assert newest["unavailable"] == []
    for service in OTHERS:
        answer = await call.get("auditor", "audit", f"/v1/log/heads?service={service}&limit=2")
        key = bytes.fromhex((await call.get(None, service, "/v1/log/key")).json()["ed25519"])
        assert answer.content == (await call.get(None, service, "/v1/log/heads?limit=2")).content
        assert all(verify_head(signed, key) for signed in read_heads(answer.content))
    stream = f"stream={at_rest.claim_id}"
    through = (await call.get("auditor", "audit", f"/v1/log/proofs?service=subsidy&{stream}")).json()
    direct = (await call.get("auditor", "subsidy", f"/v1/log/proofs?{stream}")).json()
    assert through["streams"][0]["events"] == direct["streams"][0]["events"] != []
    for path in ("heads?service=audit", "heads?service=x", "proofs?service=x&stream=y", "heads?limit=0", "leaves"):
        assert (await call.get("auditor", "audit", f"/v1/log/{path}")).status_code == 422
    assert (await call.get("app", "audit", "/v1/log/heads")).status_code == 403


async def test_audit_holds_every_head_of_every_service_as_it_was_published(at_rest: Outcome, call: Caller) -> None:
    for service in OTHERS:
        own = read_heads((await call.get("auditor", "audit", f"/v1/log/heads?service={service}&limit=200")).content)
        assert own
        held: list[SignedHead] = []
        async with asyncio.timeout(10):
            while len(held) < len(own):  # the last may still be on its way
                path = f"/v1/log/heads?service={service}&source=seen&limit=200"
                held = read_heads((await call.get("auditor", "audit", path)).content)
        assert held == own
    first = (await call.get("auditor", "audit", "/v1/log/heads?service=training&source=seen&limit=1")).json()
    rest = await call.get("auditor", "audit", f"/v1/log/heads?service=training&source=seen&cursor={first['next']}")
    every = (await call.get("auditor", "audit", "/v1/log/heads?service=training&source=seen&limit=200")).json()
    assert first["items"] + rest.json()["items"] == every["items"][: 1 + len(rest.json()["items"])]
    for query in ("source=seen", "source=seen&service=x", "source=x", "source=seen&service=loans&cursor=0"):
        assert (await call.get("auditor", "audit", f"/v1/log/heads?{query}")).status_code == 422
    assert (await call.get("app", "audit", "/v1/log/heads?service=loans&source=seen")).status_code == 403


async def test_the_console_shows_under_every_line_the_head_that_it_is_proved_by(
    at_rest: Outcome, call: Caller, client: Client
) -> None:
    history = await read_archive(client, at_rest.claim_id)
    async with httpx.AsyncClient(base_url=call.endpoints.services["audit"], trust_env=False, timeout=20) as browser:
        await sign_in(browser, "auditor")
        page = (await browser.get(f"/console/claims/{at_rest.claim_id}")).text
    assert f"{len(history.items)} 条记录均含于已签名的日志头" in page
    assert page.count("的已签名日志头（") == len(history.items)
    assert "待签名" not in page


@pytest.fixture
async def database(directory: Path) -> AsyncIterator[asyncpg.Connection]:
    """The training service's own database, as somebody with access to it sees it."""
    connection = await asyncpg.connect(settings.read(directory).databases["training"])
    yield connection
    await connection.close()


async def test_what_somebody_does_in_a_database_is_named_with_its_position(
    at_rest: Outcome, client: Client, database: asyncpg.Connection
) -> None:
    untouched = await check_log(client, "training", [])
    assert untouched.findings == []
    assert re.search(r"(?<!\d)0 个", untouched.looked_at) is None
    position = 5
    stream, version, payload, leaf = await database.fetchrow(
        "select e.stream, e.version, e.payload, l.leaf_hash from log l join event e using (stream, version)"
        " where l.position = $1",
        position,
    )
    set_payload = "update event set payload = $3 where stream = $1 and version = $2"
    set_leaf = "update log set leaf_hash = $2 where position = $1"
    try:
        await database.execute(set_payload, stream, version, payload.replace(b"0", b"1", 1))
        changed = await check_log(client, "training", [])
        page = await client.get("ops", "training", f"/v1/log/records?after={position - 1}&limit=1")
        await database.execute(set_leaf, position, leaf_hash(read_records(page.content)[0].data))
        made_to_fit = await check_log(client, "training", [])
    finally:
        await database.execute(set_payload, stream, version, payload)
        await database.execute(set_leaf, position, leaf)
    assert changed.findings == [f"位置 {position} 的记录与所存的叶散列不符"]
    assert made_to_fit.findings == [f"位置 {position} 的记录被改动，与独立见证不同"]
    assert (await check_log(client, "training", [])).findings == []


async def test_a_history_that_was_rewritten_everywhere_and_re_signed_is_named_because_audit_holds_its_older_heads(
    at_rest: Outcome, client: Client, directory: Path
) -> None:
    """Records, leaves, tree, heads and even the archive fit one another: only the heads that audit has seen do not."""
    position = 5
    async with Forger.at(settings.read(directory), "training") as forger:
        await forger.rewrite(client, position)
        sizes = await forger.sign_anew(client)
        forged = await check_log(client, "training", [])
    assert sizes
    assert forged.findings == [
        f"大小 {n} 有两个签名有效而根不同的日志头：历史被改写后重新签名" for n in sizes if n >= position
    ]
    assert (await check_log(client, "training", [])).findings == []
