"""Programmes are data: a district's own, the second one of the city, and the version that is not confirmed yet.

On a stack of its own, because what is put in force here is in force for everybody.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from deploy.local import ports, stack
from deploy.local.client import Client
from deploy.local.clock import advance, now_of, progress_of, settle
from deploy.local.demo import setting
from deploy.local.endpoints import Endpoints
from deploy.local.plan import StackOptions
from services.subsidy.policies import shipped
from tests.e2e.caller import Caller, Minter
from tests.e2e.stories import broken, claim_body, trained

pytestmark = pytest.mark.stack

APPROVE = {"decision": "approve"}
NEXT_YEAR = datetime(2026, 3, 2, 1, tzinfo=UTC)
DISTRICT = "310115"
PROTOTYPE: dict[str, Any] = {
    "programme": "prototype-310115",
    "version": "2025-1",
    "title": "实训试制补贴",
    "source": "浦东新区实训试制补贴办法（测试）",
    "effective_from": "2025-01-01",
    "effective_until": "2027-12-31",
    "owner": DISTRICT,
    "requires": ["organisation"],
    "once_per": ["product"],
    "evidence": [
        {"name": "product", "kind": "choice", "text": "试制品种", "choices": ["A1", "A2"]},
        {"name": "pieces", "kind": "count", "text": "试制件数"},
    ],
    "workflow": ["review", "approval", "payment"],
    "parameters": {
        "amount": "120.50", "places": 2, "window_months": 12, "organisation_years": 5, "roles": ["partner"],
        "notice_working_days": 5, "correction_working_days": 5, "objection_working_days": 5, "most_units": 10,
    },
    "amount": {"op": "per_unit", "evidence": "pieces", "at_most": "most_units"},
    "rules": [
        {"name": "local", "clause": "A-17", "text": "在本市登记",
         "check": {"op": "in_city", "area": "organisation_area"}},
        {"name": "pieces", "clause": "A-17", "text": "完成试制并经核验",
         "check": {"op": "all", "checks": [{"op": "at_least", "fact": "evidence.pieces", "bound": 1},
                                           {"op": "attested", "evidence": "pieces"}]}},
        {"name": "once", "clause": "A-17", "text": "同一品种一次", "check": {"op": "entitlement_free"}},
        {"name": "limit", "clause": "A-17", "text": "至多两次", "check": {"op": "place_free"}},
        {"name": "payee", "clause": "B-19", "text": "本人账户", "check": {"op": "payee_is_claimant"}},
    ],
    "examples": [{"name": "两件", "facts": {"submitted_on": "2025-03-03", "organisation_area": "310115",
                                           "evidence": {"product": "A1", "pieces": 2}, "attested": {"pieces": True}},
                  "expect": {"local": True, "pieces": True}, "amount": "241.00"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    chosen = tmp_path_factory.mktemp("programmes")
    try:
        stack.up(chosen, StackOptions(port_base=ports.find_base(25101)))
        yield chosen
    finally:
        stack.down(chosen)


@pytest.fixture(scope="module")
def endpoints(directory: Path) -> Endpoints:
    return stack.up(directory, StackOptions())


@pytest.fixture(scope="module")
def mint(directory: Path) -> Minter:
    return Minter(directory)


@pytest.fixture
async def client(endpoints: Endpoints) -> AsyncIterator[Client]:
    async with Client(endpoints, f"programmes/{uuid4()}") as opened:
        yield opened


@pytest.fixture
async def call(endpoints: Endpoints) -> AsyncIterator[Caller]:
    async with httpx.AsyncClient(timeout=30.0, trust_env=False) as http:
        yield Caller(http, endpoints)


def version(name: str) -> dict[str, Any]:
    """A version that ships, as its document."""
    found: dict[str, Any] = msgspec.json.decode(
        msgspec.json.encode(next(item for item in shipped() if item.version == name))
    )
    return found


async def put_in_force(client: Client, policy: dict[str, Any]) -> None:
    name = f"{policy['programme']}/{policy['version']}"
    await client.post("policy", "subsidy", "/v1/policies", policy, step=f"draft/{name}")
    await setting.put_in_force(client, name)


async def shown(call: Caller, claim_id: str) -> dict[str, Any]:
    """The claim once registry has answered about its payee."""
    for _ in range(300):
        claim: dict[str, Any] = (await call.get("auditor", "subsidy", f"/v1/claims/{claim_id}")).json()
        payee = [rule["passed"] for rule in claim["screening"] if rule["rule"] == "payee"]
        if payee and payee[0] is not None:
            return claim
        await asyncio.sleep(0.1)
    raise AssertionError(f"the payee of {claim_id} was not checked")


async def budget(call: Caller, programme: str, year: int) -> None:
    line = {"programme": programme, "year": year, "amount": "100000.00"}
    assert (await call.post("city", "subsidy", "/v1/budgets", line)).status_code == 201


def outcome(claim: dict[str, Any]) -> dict[str, bool | None]:
    return {rule["rule"]: rule["passed"] for rule in claim["screening"]}


@pytest.mark.clause("A-17")
@pytest.mark.clause("A-27")
async def test_a_district_adds_a_programme_of_its_own_and_pays_it_without_code(
    client: Client, call: Caller, mint: Minter, directory: Path
) -> None:
    now = now_of(await progress_of(client))
    approver, reviewer = f"district:{DISTRICT}/approver", f"district:{DISTRICT}/reviewer"
    foreign = await call.post("district:310101/approver", "subsidy", "/v1/policies", PROTOTYPE)
    assert (foreign.status_code, foreign.json()["code"]) == (403, "not_your_district")
    drafted = await call.post(approver, "subsidy", "/v1/policies", PROTOTYPE)
    assert drafted.status_code == 201, drafted.text
    await setting.put_in_force(client, f"{PROTOTYPE['programme']}/{PROTOTYPE['version']}")
    await budget(call, PROTOTYPE["programme"], now.year)

    (person,) = await trained(client, directory, now, 1, 1)
    (project,) = person.certificates
    whole = claim_body(person, project, district=DISTRICT)
    asked = {name: value for name, value in whole.items() if name != "certificate_no"}
    asked |= {"programme": PROTOTYPE["programme"], "evidence": {"product": "A1", "pieces": 3}}

    wrong = await call.post("app", "subsidy", "/v1/claims", {**asked, "evidence": {"pieces": "3", "colour": "red"}})
    assert wrong.status_code == 422
    assert {(item["pointer"], item["code"]) for item in wrong.json()["errors"]} == {
        ("/evidence/product", "missing"), ("/evidence/pieces", "evidence_form"), ("/evidence/colour", "unknown_field"),
    }  # fmt: skip
    superfluous = await call.post("app", "subsidy", "/v1/claims", {**whole, **asked})
    assert [item["pointer"] for item in superfluous.json()["errors"]] == ["/certificate_no"]

    made = (await call.post("app", "subsidy", "/v1/claims", asked)).json()
    claim = await shown(call, made["id"])
    assert outcome(claim) == {"local": True, "pieces": None, "once": True, "limit": True, "payee": True}
    assert (claim["amount"], claim["review_district"]) == ("361.50", DISTRICT)
    again = await call.post("app", "subsidy", "/v1/claims", asked)
    assert (again.status_code, again.json()["claim_id"]) == (409, made["id"])

    path = f"/v1/claims/{made['id']}"
    assert (await call.post(reviewer, "subsidy", f"{path}/review", APPROVE)).status_code == 200
    early = await call.post(approver, "subsidy", f"{path}/approval", APPROVE)
    assert (early.status_code, early.json()["code"]) == (409, "screening_pending")
    attested = {"evidence": "pieces", "confirmed": True, "document": "DA-2025-1"}
    assert (await call.post(reviewer, "subsidy", f"{path}/attestations", attested)).status_code == 200
    approved = await call.post(approver, "subsidy", f"{path}/approval", APPROVE)
    assert (approved.status_code, approved.json()["status"]) == (200, "payable")
    assert await broken(client, directory) == []


@pytest.mark.clause("A-20")
async def test_the_social_insurance_subsidy_runs_on_the_same_machinery_once_its_amount_is_set(
    client: Client, call: Caller, directory: Path
) -> None:
    now = now_of(await progress_of(client))
    unset = version("2025-unset")
    await client.post("policy", "subsidy", "/v1/policies", unset, step="draft/unset")
    act = f"/v1/policies/{unset['programme']}/2025-unset:activate"
    refused = await call.post("policy/approver", "subsidy", act)
    assert (refused.status_code, refused.json()["code"]) == (409, "policy_amount_unset")

    people = await trained(client, directory, now, 4, 1)
    person = next(person for person in people if person.founder.person.categories)
    (project,) = person.certificates
    whole = claim_body(person, project)
    stated = {"registered_flexible": True, "months_paid": 5, "quarter_end": "2025-03-31"}
    asked = {key: whole[key] for key in ("person_id", "payee_account", "channel", "accepting_district")}
    asked |= {"programme": unset["programme"], "evidence": stated}
    closed = await call.post("app", "subsidy", "/v1/claims", asked)
    assert (closed.status_code, closed.json()["code"]) == (409, "programme_not_open")

    categories = [category.value for category in person.founder.person.categories]
    opened = {**unset, "version": "2025-1", "examples": []}
    opened["parameters"] = {**unset["parameters"], "amount": "1000.00", "categories": categories}
    await put_in_force(client, opened)
    await advance(client, datetime(2025, 4, 1, 1, tzinfo=UTC))
    made = (await call.post("app", "subsidy", "/v1/claims", asked)).json()
    assert made["amount"] == "3000.00"
    claim = await shown(call, made["id"])
    assert outcome(claim)["window"] is True
    assert outcome(claim)["contributions"] is None
    assert (claim["certificate_no"], claim["organisation_id"]) == (None, None)


@pytest.mark.clause("B-01")
async def test_claims_of_the_unconfirmed_successor_wait_and_are_screened_again_by_the_confirmed_one(
    client: Client, call: Caller, directory: Path
) -> None:
    await put_in_force(client, version("2026-provisional"))
    await advance(client, NEXT_YEAR)
    now = now_of(await progress_of(client))
    await budget(call, "training-fee-subsidy", now.year)
    people = await trained(client, directory, now, 3, 1, last_issue=date(2026, 12, 31))
    claims = []
    for person in people:
        (project,) = person.certificates
        claims.append((await call.post("app", "subsidy", "/v1/claims", claim_body(person, project))).json())
    first = await shown(call, claims[0]["id"])
    assert first["policy_version"] == "2026-provisional"
    assert [hold["reason"] for hold in first["holds"]] == ["policy"]
    assert first["waiting_for"] == "市人力资源社会保障部门启用适用的政策版本"
    district = first["review_district"]
    path = f"/v1/claims/{first['id']}"
    assert (await call.post(f"district:{district}/reviewer", "subsidy", f"{path}/review", APPROVE)).status_code == 200
    held = await call.post(f"district:{district}/approver", "subsidy", f"{path}/approval", APPROVE)
    assert (held.status_code, held.json()["holds"]) == (409, ["policy"])

    provisional = version("2026-provisional")
    confirmed = {**provisional, "version": "2026-1", "provisional": False, "supersedes": ["2026-provisional"]}
    confirmed |= {"source": "确认版本（测试）", "parameters": {**provisional["parameters"], "amount": "2000.00"}}
    confirmed["examples"] = []
    overlapping = {**confirmed, "version": "2026-2", "supersedes": []}
    await client.post("policy", "subsidy", "/v1/policies", overlapping, step="draft/overlapping")
    await setting.simulated(client, "training-fee-subsidy/2026-2")
    activate = "/v1/policies/training-fee-subsidy/2026-2:activate"
    refused = await call.post("policy/approver", "subsidy", activate)
    assert (refused.status_code, refused.json()["code"]) == (409, "policy_overlap")
    await put_in_force(client, confirmed)
    await settle(client)

    for made in claims:
        claim = (await call.get("auditor", "subsidy", f"/v1/claims/{made['id']}")).json()
        assert (claim["policy_version"], claim["amount"], claim["holds"]) == ("2026-1", "2000.00", [])
        history = (await call.get("auditor", "audit", f"/v1/claims/{made['id']}/history")).text
        assert "subsidy.ClaimRescreened.v1" in history
    approved = await call.post(f"district:{district}/approver", "subsidy", f"{path}/approval", APPROVE)
    assert (approved.status_code, approved.json()["amount"]) == (200, "2000.00")
    states = (await call.get("city", "subsidy", "/v1/policies")).json()["items"]
    (training,) = [item for item in states if item["programme"] == "training-fee-subsidy"]
    status = {item["version"]: item["status"] for item in training["versions"]}
    assert [status[name] for name in ("2023-7", "2026-provisional", "2026-1", "2026-2")] == [
        "active",
        "superseded",
        "active",
        "simulated",
    ]
    assert await broken(client, directory) == []
