"""From a person to a certificate: registration, roles, classes, evaluation."""

import asyncio
from collections import defaultdict
from datetime import date, timedelta

import msgspec

from deploy.local.client import Client
from deploy.local.demo.setting import Setting
from shared.testing.city import City, Founder


class Registered(msgspec.Struct, frozen=True):
    """A founder with ids, and the certificate's number by project."""

    founder: Founder
    person_id: str
    organisation_id: str
    certificates: dict[str, str]


async def register(client: Client, founder: Founder) -> tuple[str, str]:
    """Register a founder and the organisation with the role; returns their ids."""
    person, organisation, n = founder.person, founder.organisation, founder.person.index
    registered, enterprise = await asyncio.gather(
        client.post(
            "app",
            "registry",
            "/v1/persons",
            {
                "name": person.name,
                "identity_number": person.identity_number,
                "mobile": person.mobile,
                "categories": [category.value for category in person.categories],
            },
            step=f"person/{n}",
        ),
        client.post(
            "app",
            "registry",
            "/v1/organisations",
            {
                "name": organisation.name,
                "credit_code": organisation.credit_code,
                "area": organisation.area,
                "registered_on": organisation.registered_on.isoformat(),
            },
            step=f"organisation/{n}",
        ),
    )
    if founder.role is not None:
        role = {
            "person_id": registered.id,
            "role": founder.role.value,
            "since": organisation.registered_on.isoformat(),
            "evidence": "章程和股东名册" if founder.role.value == "partner" else None,
        }
        await client.post("app", "registry", f"/v1/organisations/{enterprise.id}/roles", role, step=f"role/{n}")
    return registered.id, enterprise.id


async def train(client: Client, city: City, setting: Setting, today: date) -> list[Registered]:
    """Register all founders and bring each through the classes that the claims rest on."""
    ids = await asyncio.gather(*(register(client, founder) for founder in city.founders))
    people = {founder.person.index: pair for founder, pair in zip(city.founders, ids, strict=True)}
    wanted: dict[tuple[str, str, date], list[int]] = defaultdict(list)
    for founder in city.founders:
        days = {plan.project: plan.days_after_certificate for plan in reversed(founder.claims)}
        for project, after in days.items():
            wanted[founder.institution, project, today - timedelta(days=after)].append(founder.person.index)
    held: dict[int, dict[str, str]] = defaultdict(dict)

    async def one_class(institution: str, project: str, issued_on: date, trainees: list[int]) -> None:
        numbers = await _class(
            client, setting, institution, project, issued_on, [people[index][0] for index in trainees]
        )
        for index, number in zip(trainees, numbers, strict=True):
            held[index][project] = number

    await asyncio.gather(*(one_class(*key, trainees) for key, trainees in wanted.items()))
    return [Registered(founder, *people[founder.person.index], held[founder.person.index]) for founder in city.founders]


async def _class(
    client: Client, setting: Setting, institution: str, project: str, issued_on: date, trainees: list[str]
) -> list[str]:
    """One class from its opening to its certificates; returns their numbers in the trainees' order."""
    opening = {
        "project_id": setting.projects[project],
        "institution_id": setting.institutions[institution],
        "starts_on": (issued_on - timedelta(days=9)).isoformat(),
        "ends_on": (issued_on - timedelta(days=2)).isoformat(),
    }
    step = f"class/{institution}/{project}/{issued_on}"
    opened = await client.post(f"institution:{institution}", "training", "/v1/classes", opening, step=step)
    evaluator = f"evaluator:demo-{1 + sum(map(ord, institution)) % 2}"

    async def one(person_id: str) -> str:
        name = f"{step}/{person_id}"
        enrolment = {"person_id": person_id, "enrolled_on": opening["starts_on"]}
        path = f"/v1/classes/{opened.id}"
        await client.post(
            f"institution:{institution}", "training", f"{path}/enrolments", enrolment, step=f"{name}/enrol"
        )
        evaluation = {
            "person_id": person_id,
            "norm": "马兰花创业培训评价规范（2023）",
            "score": 60 + sum(map(ord, person_id)) % 40,
            "passed": True,
            "evaluated_on": issued_on.isoformat(),
        }
        await client.post(evaluator, "training", f"{path}/evaluations", evaluation, step=f"{name}/evaluate")
        issue = {"class_id": opened.id, "person_id": person_id, "issued_on": issued_on.isoformat()}
        issued = await client.post(evaluator, "training", "/v1/certificates", issue, step=f"{name}/certificate")
        return str(issued.body["number"])

    return list(await asyncio.gather(*(one(person_id) for person_id in trainees)))
