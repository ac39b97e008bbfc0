"""Claims on their way to the account, for the tests of payment."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from deploy.local.client import Client
from deploy.local.clock import settle
from deploy.local.demo.training import Registered
from services.subsidy.domain.payment_order import order_id
from tests.e2e.caller import Caller
from tests.e2e.stories import claim_body, trained

APPROVE = {"decision": "approve"}
CSV = "text/csv"


class Ready(NamedTuple):
    """A claim and its founder."""

    claim_id: str
    district: str
    person: Registered


async def screened(
    client: Client, call: Caller, directory: Path, now: datetime, count: int, projects: int = 1
) -> list[Ready]:
    """New claims of `count` people, for each of whose certificates all rules are decided."""
    people = await trained(client, directory, now, count, projects)
    made = []
    for person in people:
        for project in person.certificates:
            answer = await call.post("app", "subsidy", "/v1/claims", claim_body(person, project))
            assert answer.status_code == 201, answer.text
            made.append((answer.json()["id"], person))
    return [Ready(id, (await decided(call, id))["review_district"], person) for id, person in made]


async def decided(call: Caller, claim_id: str) -> dict[str, Any]:
    """The claim, once registry has answered about its account."""
    while True:
        claim = await shown(call, claim_id)
        if all(rule["passed"] is not None for rule in claim["screening"]):
            return claim
        await asyncio.sleep(0.1)


async def approved(call: Caller, claims: list[Ready]) -> None:
    for claim in claims:
        for role, act in (("reviewer", "review"), ("approver", "approval")):
            path = f"/v1/claims/{claim.claim_id}/{act}"
            answer = await call.post(f"district:{claim.district}/{role}", "subsidy", path, APPROVE)
            assert answer.status_code == 200, answer.text


async def payable(
    client: Client, call: Caller, directory: Path, now: datetime, count: int, projects: int = 1
) -> list[Ready]:
    """New claims whose public notice is over."""
    claims = await screened(client, call, directory, now, count, projects)
    await approved(call, claims)
    last_day = None
    for district in {claim.district for claim in claims}:
        ids = [claim.claim_id for claim in claims if claim.district == district]
        role = f"district:{district}/reviewer"
        notice = (await call.post(role, "subsidy", "/v1/notices", {"claims": ids})).json()["id"]
        last_day = (await call.post(role, "subsidy", f"/v1/notices/{notice}:publish")).json()["last_day"]
    await settle(client)
    await clock_to(client, call, datetime.fromisoformat(f"{last_day}T09:00:00+08:00") + timedelta(days=1))
    return claims


async def clock_to(client: Client, call: Caller, moment: datetime) -> None:
    for service in call.endpoints.services:
        answer = await call.post("ops", service, "/v1/sandbox/clock", {"to": moment.isoformat()})
        assert answer.status_code == 200, answer.text
    await settle(client)


async def made(call: Caller, claims: list[Ready]) -> str:
    """A batch that is not released yet."""
    body = {"claims": [claim.claim_id for claim in claims]}
    answer = await call.post("finance/maker", "subsidy", "/v1/payment-batches", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def released(call: Caller, claims: list[Ready]) -> str:
    """A batch that the bank has."""
    batch = await made(call, claims)
    answer = await call.post("finance/releaser", "subsidy", f"/v1/payment-batches/{batch}:release")
    assert answer.json()["dropped"] == [], answer.text
    return batch


def order(claim: Ready, attempt: int = 1) -> str:
    return order_id(claim.claim_id, attempt)


def result_file(batch: str, *lines: tuple[str, str, str], day: str = "2025-03-03", amount: str = "1800.00") -> bytes:
    """A bank's file of (order, outcome, reason), with totals that are right."""
    total = Decimal(amount) * len(lines)
    rows = [f"{batch},{len(lines)},{total}", *(f"{id},{amount},{outcome},{day},{why}" for id, outcome, why in lines)]
    return "\r\n".join((*rows, "")).encode("gb18030")


async def sent(call: Caller, batch: str, file: bytes) -> httpx.Response:
    """A result file, as finance uploads it."""
    path = f"/v1/payment-batches/{batch}/results"
    return await call.post("finance/maker", "subsidy", path, file, content_type=CSV)


async def shown(call: Caller, claim_id: str) -> dict[str, Any]:
    claim: dict[str, Any] = (await call.get("auditor", "subsidy", f"/v1/claims/{claim_id}")).json()
    return claim


async def status(call: Caller, claim: Ready) -> str:
    return str((await shown(call, claim.claim_id))["status"])
