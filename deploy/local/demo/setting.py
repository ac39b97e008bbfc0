"""The city's setting: institutions, evaluation bodies, carriers, banks, projects, policies and a budget.

It is the same for every run, so a second demo finds it there.
"""

import asyncio
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from deploy.local.client import Client
from deploy.local.failures import StackFailed
from shared.testing.city import City

POLICIES = Path(__file__).parents[3] / "services/subsidy/policies"
PROGRAMME = "training-fee-subsidy"
QUALIFIED_FROM, QUALIFIED_UNTIL = date(2023, 1, 1), date(2030, 12, 31)
BUDGET = "1000000.00"
LOOK_SECONDS = 0.1


class Setting(msgspec.Struct, frozen=True):
    """Ids by code, and each institution's district."""

    institutions: dict[str, str]
    districts: dict[str, str]
    projects: dict[str, str]


async def prepare(client: Client, city: City, year: int) -> Setting:
    """Register what is not there yet."""
    institutions, projects, _, _, _ = await asyncio.gather(
        _ensure(client, "registry", "/v1/institutions", [_institution(item) for item in city.institutions]),
        _ensure(client, "training", "/v1/projects", [_project(item) for item in city.projects]),
        _ensure(client, "training", "/v1/evaluators", [_evaluator(item) for item in city.evaluation_bodies]),
        _ensure(client, "registry", "/v1/banks", [{"code": bank.code, "name": bank.name} for bank in city.banks]),
        _ensure(client, "registry", "/v1/carriers", [_carrier(item) for item in city.carriers]),
    )
    districts = {item.code: item.district.value for item in city.institutions}
    await asyncio.gather(
        *(
            client.post(
                f"district:{districts[code]}/approver",
                "registry",
                f"/v1/institutions/{id}/qualifications",
                {
                    "project_id": project_id,
                    "from_day": QUALIFIED_FROM.isoformat(),
                    "until_day": QUALIFIED_UNTIL.isoformat(),
                },
                step=f"setting/qualification/{code}/{project}",
            )
            for code, id in institutions.items()
            for project, project_id in projects.items()
        )
    )
    await _policies_and_budget(client, year)
    return Setting(institutions, districts, projects)


def _institution(item: Any) -> dict[str, str]:
    return {"code": item.code, "name": item.name, "kind": item.kind.value, "district": item.district.value}


_carrier = _institution


def _project(item: Any) -> dict[str, str]:
    return {"code": item.code, "name": item.name, "stage": item.stage.value}


def _evaluator(item: Any) -> dict[str, str]:
    term = {"appointed_from": QUALIFIED_FROM.isoformat(), "appointed_until": QUALIFIED_UNTIL.isoformat()}
    return {"code": item.code, "name": item.name, **term}


async def _ensure(client: Client, service: str, path: str, wanted: list[dict[str, str]]) -> dict[str, str]:
    """Create what the list does not show; ids by code."""
    found = {item["code"]: str(item["id"]) for item in await client.all("city", service, path)}
    missing = [item for item in wanted if item["code"] not in found]
    created = await asyncio.gather(
        *(client.post("city", service, path, item, step=f"setting{path}/{item['code']}") for item in missing)
    )
    found.update({item["code"]: answer.id for item, answer in zip(missing, created, strict=True)})
    return found


async def _policies_and_budget(client: Client, year: int) -> None:
    """All versions that ship are drafted; those whose amount is set are put in force."""
    for path in sorted(POLICIES.glob("*.json")):
        policy = msgspec.json.decode(path.read_bytes())
        name = f"{policy['programme']}/{policy['version']}"
        await client.post("policy", "subsidy", "/v1/policies", policy, step=f"setting/policy/{name}")
        if policy["parameters"]["amount"] is not None:
            await put_in_force(client, name)
    budget = {"programme": PROGRAMME, "year": year, "amount": BUDGET}
    await client.post("city", "subsidy", "/v1/budgets", budget, step=f"setting/budget/{year}")


async def put_in_force(client: Client, version: str) -> None:
    """Have a policy version put in force, by another person; one that was not simulated yet is simulated first."""
    act, step = f"/v1/policies/{version}:activate", f"setting/policy/{version}/activate"
    answer = await client.post("policy/approver", "subsidy", act, step=step, expect=(409,))
    if answer.code == "policy_not_simulated":
        await simulated(client, version)
        await client.post("policy/approver", "subsidy", act, step=step)
    elif answer.status == 409:
        raise StackFailed(f"{version} cannot be put in force: {answer.code}")


async def simulated(client: Client, version: str) -> None:
    """Have a policy version run over all claims there are, and wait for the result."""
    act = f"/v1/policies/{version}:simulate"
    asked = await client.post("policy", "subsidy", act, step=f"setting/policy/{version}/simulate")
    while True:
        operation = (await client.get("policy", "subsidy", f"/v1/operations/{asked.id}")).body
        if operation["status"] == "succeeded":
            return
        if operation["status"] == "failed":
            raise StackFailed(f"the simulation of {version} failed: {operation['problem']}")
        await asyncio.sleep(LOOK_SECONDS)
