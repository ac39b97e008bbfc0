"""What happens elsewhere while a claim is under way, and what happens to claims that stand in a public notice."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.local.client import Client
from deploy.local.clock import settle
from shared.values.calendar import shanghai_date
from tests.e2e.caller import Caller
from tests.e2e.stories import claim_body, trained

pytestmark = pytest.mark.stack

APPROVE = {"decision": "approve"}


class Case:
    """A claim of a new founder, and who acts on it."""

    def __init__(self, call: Caller, person: Any, claim: dict[str, Any]) -> None:
        self.call = call
        self.person = person
        self.id = claim["id"]
        self.path = f"/v1/claims/{self.id}"
        self.reviewer = f"district:{claim['review_district']}/reviewer"
        self.approver = f"district:{claim['review_district']}/approver"

    async def shown(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.call.get("auditor", "subsidy", self.path)).json()
        return found

    async def until(self, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        for _ in range(300):
            claim = await self.shown()
            if what(claim):
                return claim
            await asyncio.sleep(0.1)
        raise AssertionError(f"{self.id} did not come to it: {claim}")

    async def screened(self) -> dict[str, Any]:
        return await self.until(lambda claim: all(rule["passed"] is not None for rule in claim["screening"]))

    async def act(self, role: str, act: str, body: object = None) -> Any:
        return await self.call.post(role, "subsidy", f"{self.path}{act}", body)

    async def approved(self) -> None:
        await self.screened()
        assert (await self.act(self.reviewer, "/review", APPROVE)).status_code == 200
        assert (await self.act(self.approver, "/approval", APPROVE)).status_code == 200


async def cases(client: Client, call: Caller, directory: Path, now: datetime, count: int) -> list[Case]:
    """So many claims of one founder, for projects of one institution, so that one district reviews them all."""
    (person,) = await trained(client, directory, now, 1, count)
    bodies = [claim_body(person, project) for project in person.certificates]
    return [Case(call, person, (await call.post("app", "subsidy", "/v1/claims", body)).json()) for body in bodies]


def held_for(reason: str) -> Callable[[dict[str, Any]], bool]:
    return lambda claim: reason in [hold["reason"] for hold in claim["holds"]]


async def test_a_deregistered_organisation_holds_its_claims_until_a_person_has_looked_into_it(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    (case,) = await cases(client, call, directory, now, 1)
    await case.screened()
    gone = {"deregistered_on": shanghai_date(now).isoformat()}
    path = f"/v1/organisations/{case.person.organisation_id}:deregister"
    assert (await call.post("city", "registry", path, gone)).status_code == 200
    claim = await case.until(held_for("deregistration"))
    assert claim["waiting_for"] == "审核区核实组织注销情况"
    assert (await case.act(case.reviewer, "/review", APPROVE)).status_code == 200
    held = await case.act(case.approver, "/approval", APPROVE)
    assert (held.status_code, held.json()["holds"]) == (409, ["deregistration"])
    lifted = {"reason": "deregistration", "document": "DA-2025-7"}
    assert (await case.act(case.reviewer, "/holds:lift", lifted)).status_code == 403
    assert (await case.act(case.approver, "/holds:lift", lifted)).json()["holds"] == []
    again = await case.act(case.approver, "/holds:lift", lifted)
    assert (again.status_code, again.json()["code"]) == (409, "not_on_hold")
    assert (await case.act(case.approver, "/approval", APPROVE)).json()["status"] == "approved"


async def test_every_claim_of_one_who_died_is_held(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    found = await cases(client, call, directory, now, 2)
    died = {"died_on": shanghai_date(now).isoformat()}
    path = f"/v1/persons/{found[0].person.person_id}:report-death"
    assert (await call.post("city", "registry", path, died)).status_code == 200
    for case in found:
        assert (await case.until(held_for("death")))["waiting_for"] == "审核区核实继承与发放事宜"


@pytest.mark.clause("B-18")
@pytest.mark.clause("B-32")
async def test_a_notice_loses_the_lines_of_claims_that_come_to_nothing_and_keeps_the_others(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    mine = await cases(client, call, directory, now, 3)
    for case in mine:
        await case.approved()
    early, late, stays = mine
    publisher = early.reviewer
    drafted = (await call.post(publisher, "subsidy", "/v1/notices", {"claims": [case.id for case in mine]})).json()
    path = f"/v1/notices/{drafted['id']}"
    foreign = "district:310101/reviewer" if publisher != "district:310101/reviewer" else "district:310104/reviewer"
    assert (await call.get(foreign, "subsidy", path)).status_code == 404
    assert (await early.act("app", ":withdraw")).json()["status"] == "withdrawn"
    published = (await call.post(publisher, "subsidy", f"{path}:publish")).json()
    assert published["claims"] == [late.id, stays.id]
    await settle(client)
    assert (await call.get(foreign, "subsidy", path)).status_code == 200
    assert await lines(call, drafted["id"]) == 2

    assert (await late.act("app", ":withdraw")).json()["status"] == "withdrawn"
    await settle(client)
    assert (await call.get(publisher, "subsidy", path)).json()["claims"] == [stays.id]
    assert await lines(call, drafted["id"]) == 1
    assert (await stays.shown())["status"] == "in_public_notice"

    shorter = await call.post(publisher, "subsidy", f"{path}:extend", {"working_days": 0})
    assert shorter.status_code == 422
    longer = await call.post(publisher, "subsidy", f"{path}:extend", {"working_days": 5})
    assert longer.json()["last_day"] > published["last_day"]
    refused = await call.post(foreign, "subsidy", f"{path}:extend", {"working_days": 5})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_your_district")


async def lines(call: Caller, notice_id: str) -> int:
    """How many lines the public sees of a notice."""
    page = (await call.get(None, "subsidy", "/notices?format=json")).json()
    (notice,) = [item for item in page["items"] if item["id"] == notice_id]
    return len(notice["entries"])
