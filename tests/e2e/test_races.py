"""What arrives at once: places, certificates, and repeated requests."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from deploy.local.client import Client
from tests.e2e.caller import Caller
from tests.e2e.stories import claim_body, trained

pytestmark = pytest.mark.stack


def limit_passed(claim: dict[str, Any]) -> bool:
    return next(rule["passed"] for rule in claim["screening"] if rule["rule"] == "limit") is True


async def test_of_four_claims_at_once_exactly_one_finds_no_place(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    (person,) = await trained(client, directory, now, 1, 4)
    answers = await asyncio.gather(
        *(call.post("app", "subsidy", "/v1/claims", claim_body(person, project)) for project in person.certificates)
    )
    assert [answer.status_code for answer in answers] == [201] * 4
    assert sorted(limit_passed(answer.json()) for answer in answers) == [False, True, True, True]


async def test_for_the_last_place_exactly_one_of_three_gets_it(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    (person,) = await trained(client, directory, now, 1, 5)
    projects = list(person.certificates)
    for project in projects[:2]:
        held = await call.post("app", "subsidy", "/v1/claims", claim_body(person, project))
        assert limit_passed(held.json())
    answers = await asyncio.gather(
        *(call.post("app", "subsidy", "/v1/claims", claim_body(person, project)) for project in projects[2:])
    )
    assert [answer.status_code for answer in answers] == [201] * 3
    assert sorted(limit_passed(answer.json()) for answer in answers) == [False, False, True]


async def test_one_certificate_by_app_and_window_at_once_leaves_one_claim(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    window = "district:310115/reviewer"
    for person in await trained(client, directory, now, 3, 1):
        (project,) = person.certificates
        answers = await asyncio.gather(
            call.post("app", "subsidy", "/v1/claims", claim_body(person, project)),
            call.post(window, "subsidy", "/v1/claims", claim_body(person, project, channel="window")),
        )
        made, refused = sorted(answers, key=lambda answer: answer.status_code)
        assert (made.status_code, refused.status_code) == (201, 409)
        assert refused.json()["claim_id"] == made.json()["id"]


async def test_a_repeated_key_gets_the_stored_answer(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    (person,) = await trained(client, directory, now, 1, 1)
    (project,) = person.certificates
    body, key = claim_body(person, project), str(uuid4())

    async def send(changed: dict[str, Any] = body) -> httpx.Response:
        return await call.post("app", "subsidy", "/v1/claims", changed, idempotency_key=key)

    twins = await asyncio.gather(send(), send(), send())
    assert {(twin.status_code, twin.content) for twin in twins} == {(201, twins[0].content)}
    assert sorted(twin.headers.get("idempotent-replayed", "") for twin in twins) == ["", "true", "true"]
    later = await send()
    assert (later.status_code, later.content) == (201, twins[0].content)
    assert later.headers["idempotent-replayed"] == "true"
    other = await send({**body, "accepting_district": "310101"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
