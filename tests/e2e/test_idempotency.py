"""One key, one effect, one answer: what a caller may rely on who does not know whether he has been heard."""

import asyncio
import os
import signal
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from deploy.local import state
from deploy.local.client import Client
from deploy.local.clock import settle
from tests.e2e.caller import Caller, Minter
from tests.e2e.stories import claim_body, trained

pytestmark = pytest.mark.stack

CARRIERS = "/v1/carriers"
TOLD = ("etag", "location", "consistency-token", "content-type")


def new_key() -> str:
    return f"e2e-{uuid4()}"


def carrier(code: str | None = None, name: str = "端到端载体") -> dict[str, Any]:
    code = code or f"e2e-{uuid4().hex[:20]}"
    return {"code": code, "name": name, "kind": "district", "district": "310115"}


def told(answer: httpx.Response) -> tuple[int, bytes, list[str | None]]:
    """All of an answer that a caller could build on."""
    return answer.status_code, answer.content, [answer.headers.get(name) for name in TOLD]


def replayed(answer: httpx.Response) -> bool:
    return "true" in answer.headers.get_list("idempotent-replayed")


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert not replayed(answer)


async def register(call: Caller, who: str, body: Any, key: str) -> httpx.Response:
    return await call.post(who, "registry", CARRIERS, body, idempotency_key=key)


async def codes(call: Caller, code: str) -> int:
    """How many carriers have this code."""
    return len((await call.get("city", "registry", f"{CARRIERS}?code={code}")).json()["items"])


# -- whose a key is, and what it belongs to ----------------------------------------------------------------------------


async def test_a_repeated_request_has_one_effect_and_the_same_answer(call: Caller, client: Client) -> None:
    body, key = carrier(), new_key()
    first, again = [await register(call, "city", body, key) for _ in range(2)]
    assert (first.status_code, replayed(first), replayed(again)) == (201, False, True)
    assert told(again) == told(first)
    assert None not in told(first)[2]
    await settle(client)
    assert await codes(call, body["code"]) == 1
    assert (await register(call, "city", body, new_key())).status_code == 409


async def test_another_body_or_another_resource_under_the_key_is_refused(call: Caller) -> None:
    body, key = carrier(), new_key()
    first = await register(call, "city", body, key)
    for other in ({**body, "name": "别的载体"}, carrier()):
        refused(await register(call, "city", other, key), 422, "idempotency_key_reused")
    bank = {"code": body["code"], "name": body["name"]}
    refused(await call.post("city", "registry", "/v1/banks", bank, idempotency_key=key), 422, "idempotency_key_reused")
    assert told(await register(call, "city", body, key)) == told(first)


async def test_a_key_is_its_caller_s_own(call: Caller, mint: Minter) -> None:
    """Another client, and another person who signs in through the same client."""
    key = new_key()
    one, other = mint("city"), mint("city")
    answers = [await register(call, who, carrier(), key) for who in (one, other, "city")]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert not any(map(replayed, answers))
    assert len({answer.json()["id"] for answer in answers}) == 3


# -- what does not use up a key ----------------------------------------------------------------------------------------


async def test_a_key_is_not_used_up_by_a_request_that_was_not_valid(call: Caller) -> None:
    body, key = carrier(), new_key()
    for wrong in ({**body, "kind": "?"}, {**body, "more": 1}, b"{", {}):
        refused(await register(call, "city", wrong, key), 422, "invalid_request")
    refused(await register(call, "app", body, key), 403, "not_allowed")
    first = await register(call, "city", body, key)
    assert (first.status_code, replayed(first)) == (201, False)


async def test_a_rejection_is_not_kept_but_decided_anew(
    client: Client, call: Caller, mint: Minter, directory: Path, now: datetime
) -> None:
    (person,) = await trained(client, directory, now, 1, 1)
    (project,) = person.certificates
    claim = await call.post("app", "subsidy", "/v1/claims", claim_body(person, project))
    district, path, key = claim.json()["review_district"], f"/v1/claims/{claim.json()['id']}", new_key()
    approve = {"decision": "approve"}
    approval = (f"district:{district}/approver", "subsidy", f"{path}/approval", approve)
    refused(await call.post(*approval, idempotency_key=key), 409, "wrong_state")
    await settle(client)
    both, once = mint(f"district:{district}/reviewer", f"district:{district}/approver"), new_key()
    reviewed = await call.post(both, "subsidy", f"{path}/review", approve, idempotency_key=once)
    assert reviewed.status_code == 200, reviewed.text
    elsewhere = await call.post(both, "subsidy", f"{path}/approval", approve, idempotency_key=once)
    refused(elsewhere, 422, "idempotency_key_reused")
    approved = await call.post(*approval, idempotency_key=key)
    assert (approved.status_code, approved.json()["status"], replayed(approved)) == (200, "approved", False)
    again = await call.post(*approval, idempotency_key=key)
    assert (told(again), replayed(again)) == (told(approved), True)


# -- what a key may be -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 255])
async def test_the_shortest_and_the_longest_key_work(call: Caller, mint: Minter, length: int) -> None:
    body, person = carrier(), mint("city")
    first, again = [await register(call, person, body, "~" * length) for _ in range(2)]
    assert (first.status_code, told(again), replayed(again)) == (201, told(first), True)


@pytest.mark.parametrize(
    "key",
    [b"", b"k" * 256, b"k" * 1000, "鑰匙".encode(), b"caf\xe9", b"a\tb"],
    ids=["empty", "256", "1000", "utf-8", "latin-1", "tab"],
)
async def test_what_is_no_key_is_refused(call: Caller, key: bytes) -> None:
    body = carrier()
    headers = [(b"idempotency-key", key)]
    for path in (CARRIERS, "/v1/vault/master-key:rotate"):
        role = "city" if path == CARRIERS else "ops"
        refused(await _sent(call, role, path, body, headers), 400, "idempotency_key_invalid")
    assert await codes(call, body["code"]) == 0


async def test_two_keys_are_none(call: Caller) -> None:
    headers = [(b"idempotency-key", new_key().encode()) for _ in range(2)]
    refused(await _sent(call, "city", CARRIERS, carrier(), headers), 400, "idempotency_key_invalid")


async def _sent(
    call: Caller, role: str, path: str, body: object, headers: Sequence[tuple[bytes, bytes]]
) -> httpx.Response:
    authorization = (b"authorization", f"Bearer {call.endpoints.tokens[role]}".encode())
    url = call.endpoints.services["registry"] + path
    return await call.http.post(url, json=body, headers=[authorization, *headers])


@pytest.mark.parametrize("character", [b"\x00", b"\x01", b"\x1f", b"\x7f", b"\r"])
async def test_a_control_character_does_not_get_past_the_server(call: Caller, character: bytes) -> None:
    url = urlsplit(call.endpoints.services["registry"])
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(
        b"POST /v1/carriers HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n"
        + b"authorization: Bearer " + call.endpoints.tokens["city"].encode() + b"\r\n"
        + b"idempotency-key: a" + character + b"b\r\n\r\n"
    )  # fmt: skip
    async with asyncio.timeout(10):
        status = (await reader.readline()).split(b" ")[1]
    writer.close()
    assert status == b"400"


# -- at once, after a restart, after everything has moved on -----------------------------------------------------------


async def test_identical_requests_at_once_have_one_effect_and_equal_answers(call: Caller, client: Client) -> None:
    for _ in range(5):
        body, key = carrier(), new_key()
        twins = await asyncio.gather(*(register(call, "city", body, key) for _ in range(8)))
        assert {twin.status_code for twin in twins} == {201}
        assert len({(twin.content, *told(twin)[2]) for twin in twins}) == 1
        assert sorted(map(replayed, twins)) == [False, *[True] * 7]
        await settle(client)
        assert await codes(call, body["code"]) == 1


async def test_different_requests_at_once_under_one_key_have_one_effect(call: Caller) -> None:
    key = new_key()
    answers = await asyncio.gather(*(register(call, "city", carrier(), key) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201, *[422] * 7]


async def test_an_answer_is_kept_over_a_restart_of_the_service(call: Caller, client: Client, directory: Path) -> None:
    body, key = carrier(), new_key()
    first = await register(call, "city", body, key)
    running = state.running(directory)
    assert running is not None
    before = running.parts["registry"]
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    async with asyncio.timeout(60):
        while (now := state.running(directory)) is None or now.parts["registry"].restarts == before.restarts:
            await asyncio.sleep(0.1)
    await client.get("city", "registry", CARRIERS)  # it is patient
    again = await register(call, "city", body, key)
    assert (told(again), replayed(again)) == (told(first), True)


async def test_a_repeated_request_is_told_what_its_command_left_though_the_claim_has_moved_on(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    (person,) = await trained(client, directory, now, 1, 1)
    (project,) = person.certificates
    body, key = claim_body(person, project), new_key()
    twins = await asyncio.gather(
        *(call.post("app", "subsidy", "/v1/claims", body, idempotency_key=key) for _ in range(4))
    )
    first = next(twin for twin in twins if not replayed(twin))
    assert [told(twin) for twin in twins] == [told(first)] * 4
    await settle(client)
    path = f"/v1/claims/{first.json()['id']}"
    withdrawn = await call.post("app", "subsidy", f"{path}:withdraw")
    assert withdrawn.json()["status"] == "withdrawn"
    again = await call.post("app", "subsidy", "/v1/claims", body, idempotency_key=key)
    assert (told(again), replayed(again)) == (told(first), True)
    assert (await call.get("app", "subsidy", path)).json()["status"] == "withdrawn"


async def test_a_key_does_not_answer_an_app_that_acts_for_somebody_else(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    (person,) = await trained(client, directory, now, 1, 1)
    (project,) = person.certificates
    claim = (await call.post("app", "subsidy", "/v1/claims", claim_body(person, project))).json()["id"]
    withdraw, key = ("app", "subsidy", f"/v1/claims/{claim}:withdraw"), new_key()
    mine = {"idempotency_key": key, "on_behalf_of": person.person_id}
    first, again = [await call.post(*withdraw, **mine) for _ in range(2)]
    assert (first.status_code, told(again)) == (200, told(first))
    other = "per_00000000-0000-7000-8000-000000000000"
    another = await call.post(*withdraw, idempotency_key=key, on_behalf_of=other)
    refused(another, 422, "idempotency_key_reused")


# -- in bulk, and long work --------------------------------------------------------------------------------------------


async def test_a_bulk_request_is_repeated_item_by_item(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    people = await trained(client, directory, now, 2, 1)
    claims: dict[str, str] = {}
    for person in people:
        (project,) = person.certificates
        claim = (await call.post("app", "subsidy", "/v1/claims", claim_body(person, project))).json()
        claims[claim["id"]] = claim["review_district"]
    await settle(client)
    district = next(iter(claims.values()))
    here = [claim for claim, of in claims.items() if of == district]
    reviewer, key = f"district:{district}/reviewer", new_key().ljust(255, "x")

    async def review(decision: str, ids: Sequence[str], with_key: str = key) -> Any:
        body = {"items": [{"claim_id": id, "decision": decision, "reasons": ["材料"]} for id in ids]}
        return await call.post(reviewer, "subsidy", "/v1/claims:review", body, idempotency_key=with_key)

    refused(await review("approve", here, "k" * 256), 400, "idempotency_key_invalid")
    first, twin = await asyncio.gather(review("approve", here), review("approve", here))
    assert [item["status"] for item in first.json()["items"]] == [200] * len(here), first.text
    assert told(twin) == told(first)
    assert told(await review("approve", here)) == told(first)
    other = (await review("reject", here)).json()["items"]
    assert [item["problem"]["code"] for item in other] == ["idempotency_key_reused"] * len(here)
    shown = [(await call.get(reviewer, "subsidy", f"/v1/claims/{id}")).json()["status"] for id in here]
    assert shown == ["under_review"] * len(here)


async def test_long_work_asked_for_many_times_at_once_is_one_operation(call: Caller) -> None:
    path, key = "/v1/vault/master-key:rotate", new_key()
    twins = await asyncio.gather(*(call.post("ops", "training", path, idempotency_key=key) for _ in range(12)))
    assert {twin.status_code for twin in twins} == {202}
    assert len({twin.headers["location"] for twin in twins}) == 1
    assert sorted(map(replayed, twins)) == [False, *[True] * 11]
    other = await call.post("ops", "training", path, {"another": "body"}, idempotency_key=key)
    refused(other, 422, "idempotency_key_reused")
    location = twins[0].headers["location"]
    async with asyncio.timeout(30):
        while (await call.get("ops", "training", location)).json()["status"] != "succeeded":
            await asyncio.sleep(0.1)
