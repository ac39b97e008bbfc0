"""What if: a draft is run over every claim before anyone may put it in force."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from deploy.local.client import Client
from deploy.local.clock import settle
from deploy.local.demo.run import Outcome
from tests.e2e.caller import Caller, Minter
from tests.e2e.operations import POLICY

pytestmark = pytest.mark.stack

PROGRAMME = "training-fee-subsidy"


async def simulated(call: Caller, version: str, role: str = "policy") -> dict[str, Any]:
    """The result of a simulation, once its operation has succeeded."""
    operation = await call.finished(role, "subsidy", f"/v1/policies/{PROGRAMME}/{version}:simulate")
    result: dict[str, Any] = operation["result"]
    return result


async def drafted(call: Caller, **parameters: Any) -> str:
    """A new version of the programme, with other parameters."""
    policy = json.loads(POLICY.read_bytes())
    policy |= {"version": f"what-if-{uuid4().hex[:8]}", "examples": []}
    policy["parameters"] |= parameters
    made = await call.post("policy", "subsidy", "/v1/policies", policy)
    assert made.status_code == 201, made.text
    return str(policy["version"])


@pytest.mark.clause("B-01")
async def test_a_draft_is_simulated_over_every_claim_before_anyone_puts_it_in_force(
    demonstrated: Outcome, client: Client, call: Caller
) -> None:
    await settle(client)
    version = await drafted(call, amount="2000.00")
    activate = f"/v1/policies/{PROGRAMME}/{version}:activate"
    refused = await call.post("policy/approver", "subsidy", activate)
    assert (refused.status_code, refused.json()["code"]) == (409, "policy_not_simulated")

    result = await simulated(call, version)
    claims = await client.all("city", "subsidy", f"/v1/claims?programme={PROGRAMME}")
    screened = [claim for claim in claims if claim["screening"]]
    assert (result["claims"], result["not_judged"]) == (len(screened), len(claims) - len(screened))
    assert result["claims"] == result["gaining"] + result["losing"] + result["unchanged"]
    paid = Counter(claim["status"] for claim in claims)["paid"]
    assert paid
    assert result["gaining"] >= paid
    assert result["losing"] == 0
    cells = result["by_district_and_month"]
    assert sum(Decimal(cell["cost_then"]) for cell in cells) == Decimal(result["cost_then"])
    assert sum(cell["claims"] for cell in cells) == result["claims"]
    assert {id for group in result["examples"].values() for id in group} <= {claim["id"] for claim in claims}

    path = f"/v1/policies/{PROGRAMME}/{version}/simulations/{result['simulation_id']}"
    assert (await call.get("auditor", "subsidy", path)).json() == result
    elsewhere = path.replace(version, "2023-7")
    assert (await call.get("auditor", "subsidy", elsewhere)).status_code == 404
    shown = (await call.get("policy", "subsidy", "/v1/policies")).json()["items"]
    [mine] = [item for programme in shown for item in programme["versions"] if item["version"] == version]
    assert (mine["status"], mine["simulation_id"]) in (("simulated", result["simulation_id"]), ("draft", None))

    # It may be put in force now, but for the version that is.
    overlap = await call.post("policy/approver", "subsidy", activate)
    assert (overlap.status_code, overlap.json()["code"]) == (409, "policy_overlap")


@pytest.mark.clause("B-01")
async def test_the_version_in_force_may_be_simulated_and_changes_nothing(
    demonstrated: Outcome, client: Client, call: Caller
) -> None:
    await settle(client)
    result = await simulated(call, "2023-7", role="policy/approver")
    assert result["claims"] > 0
    assert (result["gaining"], result["losing"]) == (0, 0)
    assert result["cost_now"] == result["cost_then"]


async def test_who_may_simulate_and_what(call: Caller, mint: Minter) -> None:
    path = f"/v1/policies/{PROGRAMME}/2023-7:simulate"
    for role, status, code in (
        ("app", 403, "not_allowed"),
        ("district:310115/approver", 403, "not_your_district"),
        (mint("policy", kind="system"), 403, "person_required"),
    ):
        refused = await call.post(role, "subsidy", path)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    unknown = await call.post("policy", "subsidy", f"/v1/policies/{PROGRAMME}/none:simulate")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    nothing = await call.get("policy", "subsidy", f"/v1/policies/{PROGRAMME}/2023-7/simulations/opn_none")
    assert nothing.status_code == 404
    policies = (await call.get("policy", "subsidy", "/v1/policies")).json()["items"]
    unset = [
        (item["programme"], version["version"])
        for item in policies
        for version in item["versions"]
        if version["amount"] is None
    ]
    for programme, version in unset[:1]:
        refused = await call.post("policy", "subsidy", f"/v1/policies/{programme}/{version}:simulate")
        assert (refused.status_code, refused.json()["code"]) == (409, "policy_amount_unset")
