"""Who may do what: every route with every role, and whose things are whose."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from deploy.local.client import Client
from deploy.local.clock import settle
from tests.e2e.caller import Caller, Minter
from tests.e2e.operations import PREFIXES, new_id
from tests.e2e.stories import claim_body, trained

pytestmark = pytest.mark.stack

ROLES = (
    "app", "bank:demo-a", "carrier:demo-1", "institution:demo-1", "evaluator:demo-1", "district:310115/reviewer",
    "district:310115/approver", "city", "finance/maker", "finance/releaser", "policy", "policy/approver", "auditor",
    "ops",
)  # fmt: skip
SERVICES = ("service:registry", "service:subsidy", "service:audit")
DONE_WITHOUT_A_BODY = ("/v1/vault/master-key:rotate", "/v1/signing-keys:rotate")
"""Whoever may, does it by asking: these are asked only by those who may not."""


class Route(NamedTuple):
    service: str
    method: str
    path: str
    roles: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.service} {self.method} {self.path}"

    def url(self) -> str:
        path = self.path
        for name in [part.split("}")[0] for part in self.path.split("{")[1:]]:
            leads_nowhere = new_id(PREFIXES[name]) if name in PREFIXES else "0"
            path = path.replace(f"{{{name}}}", leads_nowhere)
        return path

    def admits(self, role: str) -> bool:
        return "public" in self.roles or any(fnmatchcase(role, pattern) for pattern in self.roles)


async def routes(call: Caller) -> list[Route]:
    found = []
    for service in call.endpoints.services:
        document = (await call.get(None, service, "/openapi.json")).json()
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if method in ("get", "post") and "x-roles" in operation:
                    found.append(Route(service, method.upper(), path, tuple(operation["x-roles"])))
    return found


async def asked(call: Caller, route: Route, role: str | None, token: str | None) -> str | None:
    """What was wrong about the answer. Bodies cannot be read, so whoever is let in does nothing."""
    who = token if role not in call.endpoints.tokens else role
    if route.method == "GET":
        answer = await call.get(who, route.service, route.url())
    else:
        answer = await call.post(who, route.service, route.url(), b"{")
    code = answer.json().get("code") if "json" in answer.headers.get("content-type", "") else None
    if role is None:
        right = answer.status_code == 401 and code == "token_missing"
    elif route.admits(role):
        right = answer.status_code not in (401, 429) and code != "not_allowed" and answer.status_code < 500
    else:
        right = (answer.status_code, code) == (403, "not_allowed")
    return None if right else f"{route} as {role}: {answer.status_code} {code}"


def pairs(known: list[Route]) -> Iterator[tuple[Route, str | None]]:
    for route in known:
        if "public" in route.roles:
            continue
        yield route, None
        for role in (*ROLES, *SERVICES):
            if not (route.path in DONE_WITHOUT_A_BODY and route.admits(role)):
                yield route, role


async def test_every_route_lets_in_whom_it_names_and_nobody_else(call: Caller, mint: Minter) -> None:
    known = await routes(call)
    assert len(known) > 100
    tokens = {role: mint(role, kind="system") for role in SERVICES}
    at_once = asyncio.Semaphore(16)

    async def one(route: Route, role: str | None) -> str | None:
        async with at_once:
            return await asked(call, route, role, tokens.get(role or ""))

    wrong = [finding for finding in await asyncio.gather(*(one(*pair) for pair in pairs(known))) if finding]
    assert wrong == []


async def test_every_role_is_let_in_somewhere_and_kept_out_somewhere(call: Caller) -> None:
    closed = [route for route in await routes(call) if "public" not in route.roles]
    for role in ROLES:
        assert any(route.admits(role) for route in closed), role
        assert not all(route.admits(role) for route in closed), role


# -- whose things are whose --------------------------------------------------------------------------------------------


async def test_a_district_neither_sees_nor_decides_what_is_another_s(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    (person,) = await trained(client, directory, now, 1, 1)
    (project,) = person.certificates
    claim = (await call.post("app", "subsidy", "/v1/claims", claim_body(person, project))).json()
    await settle(client)
    path = f"/v1/claims/{claim['id']}"
    strangers = {"310101", "310104", "310105"} - {claim["review_district"], claim["accepting_district"]}
    for stranger in strangers:
        role = f"district:{stranger}/reviewer"
        assert (await call.get(role, "subsidy", path)).status_code == 404
        refused = await call.post(role, "subsidy", f"{path}/review", {"decision": "approve"})
        assert refused.json()["code"] == "not_your_district"
        listed = (await call.get(role, "subsidy", "/v1/claims?limit=200")).json()["items"]
        assert claim["id"] not in [item["id"] for item in listed]
        asked_for = await call.get(role, "subsidy", f"/v1/claims?district={claim['review_district']}")
        assert asked_for.status_code == 403
    reviewer = f"district:{claim['review_district']}/reviewer"
    assert (await call.post(reviewer, "subsidy", f"{path}/approval", {"decision": "approve"})).status_code == 403


async def test_a_bank_never_sees_what_is_another_bank_s(demonstrated: Any, call: Caller) -> None:
    seen = {}
    for bank in ("demo-a", "demo-b", "demo-c"):
        listed = (await call.get(f"bank:{bank}", "loans", "/v1/whitelist/entries?limit=200")).json()["items"]
        seen[bank] = {item["id"] for item in listed}
    owner = next(bank for bank, entries in seen.items() if entries)
    for entry in list(seen[owner])[:3]:
        for bank in seen.keys() - {owner}:
            status = (await call.get(f"bank:{bank}", "loans", f"/v1/whitelist/entries/{entry}")).status_code
            assert status == (200 if entry in seen[bank] else 404)


async def test_institutions_and_carriers_see_their_own(demonstrated: Any, call: Caller) -> None:
    for kind, service, path, field, count in (
        ("institution", "training", "/v1/classes?limit=200", "institution_id", 16),
        ("carrier", "loans", "/v1/whitelist/batches?limit=200", "carrier_code", 5),
    ):
        owners = []
        for number in range(1, count + 1):
            items = (await call.get(f"{kind}:demo-{number}", service, path)).json()["items"]
            owners.append({item.get(field) for item in items})
        assert all(len(own) <= 1 for own in owners), (kind, owners)
        assert sum(map(bool, owners)) >= 2, (kind, owners)
        assert len(set().union(*owners)) == sum(map(len, owners)), (kind, owners)


async def test_the_app_acts_for_the_person_whom_it_names_and_for_nobody_else(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    (person,) = await trained(client, directory, now, 1, 1)
    (project,) = person.certificates
    stranger = new_id("per")
    body = claim_body(person, project)
    refused = await call.post("app", "subsidy", "/v1/claims", body, on_behalf_of=stranger)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_the_claimant")
    made = (await call.post("app", "subsidy", "/v1/claims", body, on_behalf_of=person.person_id)).json()
    for path in (f"/v1/claims/{made['id']}", f"/v1/claims?person_id={person.person_id}"):
        assert (await call.get("app", "subsidy", path, on_behalf_of=stranger)).status_code == 403
        assert (await call.get("app", "subsidy", path, on_behalf_of=person.person_id)).status_code == 200
