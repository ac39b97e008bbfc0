"""One claim's history: the same from Kafka, store and archive, at any time, by command and in the console."""

import asyncio
import json
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.client import Client
from deploy.local.demo.run import Outcome
from deploy.local.failures import StackFailed
from deploy.local.histories import bytes_of, history
from tests.e2e.browser import sign_in
from tests.e2e.caller import Caller

pytestmark = pytest.mark.stack

SOURCES = ("kafka", "store", "archive")


def huchuang(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command itself, as a user runs it."""
    command = [sys.executable, "-m", "deploy.local.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


async def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(huchuang, *arguments)


async def test_kafka_store_and_archive_tell_the_same(demonstrated: Outcome, client: Client) -> None:
    found = [await history(client, demonstrated.claim_id, source) for source in SOURCES]  # type: ignore[arg-type]
    assert bytes_of(found[0]) == bytes_of(found[1]) == bytes_of(found[2])
    assert found[0].claim == found[1].claim == found[2].claim
    assert found[0].claim.status == "paid"
    assert {item.service for item in found[0].items} == {"registry", "training", "subsidy", "notify"}


async def test_as_of_a_moment_it_is_what_had_happened_by_then(demonstrated: Outcome, client: Client) -> None:
    whole = await history(client, demonstrated.claim_id, "store")
    moments = sorted({item.record.occurred_at for item in whole.items})
    assert len(moments) > 2
    for moment in moments:
        expected = bytes_of(whole)[: sum(i.record.occurred_at <= moment for i in whole.items)]
        for source in SOURCES:
            then = await history(client, demonstrated.claim_id, source, moment)  # type: ignore[arg-type]
            assert bytes_of(then) == expected
    with pytest.raises(StackFailed):
        await history(client, demonstrated.claim_id, "store", moments[0] - timedelta(days=1))


async def test_the_command_tells_the_same_as_json(demonstrated: Outcome, directory: Path) -> None:
    said = await asyncio.gather(
        *(run("history", demonstrated.claim_id, "--data", str(directory), "--from", s, "--json") for s in SOURCES)
    )
    assert [process.returncode for process in said] == [0, 0, 0], said[0].stderr
    told: list[dict[str, Any]] = [json.loads(process.stdout) for process in said]
    assert told[0] == told[1] == told[2]
    assert told[0]["claim"]["status"] == "paid"
    types = [item["record"]["type"] for item in told[0]["items"]]
    assert types.index("subsidy.ClaimSubmitted.v2") < types.index("subsidy.ClaimPaid.v1")

    early = await run(
        "history", demonstrated.claim_id, "--data", str(directory), "--json", "--as-of", "2025-03-03T12:00:00"
    )
    items = json.loads(early.stdout)["items"]
    assert 0 < len(items) < len(types)
    assert items == told[0]["items"][: len(items)]


async def test_the_command_prints_a_timeline_and_says_when_there_is_none(
    demonstrated: Outcome, directory: Path
) -> None:
    told = await run("history", demonstrated.claim_id, "--data", str(directory))
    assert "提交申请" in told.stdout
    missing = await run("history", "clm_01900000-0000-7000-8000-000000000000", "--data", str(directory))
    assert missing.returncode != 0
    assert "knows no claim" in missing.stderr
    assert "Traceback" not in missing.stderr


async def test_a_claim_s_proofs_hold_by_command(demonstrated: Outcome, directory: Path) -> None:
    said = await run("verify", demonstrated.claim_id, "--data", str(directory))
    assert said.returncode == 0, said.stdout + said.stderr
    assert said.stdout.count("✓") == 3


async def test_the_console_asks_who_is_there_and_then_shows_everything(demonstrated: Outcome, call: Caller) -> None:
    base = call.endpoints.services["audit"]
    async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=20) as browser:
        claim_page = f"/console/claims/{demonstrated.claim_id}"
        strange = await browser.get("/console")
        assert strange.status_code == 200
        assert "请先登录" in strange.text
        assert demonstrated.claim_id not in strange.text
        turned_away = await browser.get(claim_page)
        assert (turned_away.status_code, turned_away.headers["location"]) == (303, "/console")

        entered = await sign_in(browser, "auditor")
        assert (entered.status_code, entered.headers["location"]) == (303, "/console")
        cookies = entered.headers.get_list("set-cookie")
        assert len(cookies) == 3
        assert all("httponly" in cookie.lower() and "samesite=lax" in cookie.lower() for cookie in cookies)

        overview = await browser.get("/console")
        assert "请先登录" not in overview.text
        assert all(name in overview.text for name in call.endpoints.services)
        assert len(set(re.findall(r"/console/claims/(clm_[0-9a-f-]{36})", overview.text))) > 10

        claim = await browser.get(claim_page)
        assert claim.status_code == 200
        for shown in (
            demonstrated.claim_id,
            "已发放",
            "1800.00",
            "subsidy.ClaimPaid.v1",
            "由事件重建的结果与补贴服务一致",
            "结果与记录一致",
            "培训阶段：初创期",
        ):
            assert shown in claim.text
        missing = await browser.get("/console/claims/clm_01900000-0000-7000-8000-000000000000")
        assert missing.status_code == 404
        for page in (strange, overview, claim, missing):
            policy = page.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "script-src" not in policy
            assert "<script" not in page.text
            assert page.headers["cache-control"] == "no-store"


async def test_the_archive_answers_as_the_command_does(demonstrated: Outcome, call: Caller) -> None:
    path = f"/v1/claims/{demonstrated.claim_id}"
    told = (await call.get("auditor", "audit", f"{path}/history")).json()
    assert len(told["timeline"]) == len(told["items"]) > 10
    assert (await call.get("app", "audit", f"{path}/history")).status_code == 403
    compared = (await call.get("auditor", "audit", f"{path}/comparison")).json()
    assert compared == {"claim_id": demonstrated.claim_id, "identical": True, "findings": []}
    naive = await call.get("auditor", "audit", f"{path}/history?as_of={datetime(2025, 3, 3).isoformat()}")  # noqa: DTZ001
    assert naive.status_code == 422


@pytest.mark.parametrize(
    ("question", "pointer"),
    [
        ("/v1/claims/{claim_id}/history?as_of=-414", "query:/as_of"),
        ("/v1/log/proofs?service=subsidy&stream={claim_id}&tree_size=999999999", "query:/tree_size"),
    ],
)
async def test_a_wrong_question_is_the_callers_mistake_also_where_another_service_finds_it(
    demonstrated: Outcome, call: Caller, question: str, pointer: str
) -> None:
    answer = await call.get("auditor", "audit", question.format(claim_id=demonstrated.claim_id))
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
