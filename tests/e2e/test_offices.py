"""What each office may see and do with a thing that is there: whose it is not is refused, and nothing has changed."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deploy.local.client import Client
from deploy.local.clock import settle
from deploy.local.verify.privacy import values_of
from deploy.local.verify.spellings import Finder
from tests.e2e.caller import Caller, Minter
from tests.e2e.operations import Operation, operations
from tests.e2e.realistic import known_ids
from tests.e2e.stories import claim_body, trained

pytestmark = pytest.mark.stack

CENTRAL = ("city", "finance/maker", "finance/releaser", "policy", "policy/approver", "auditor", "ops")
EVALUATORS = ("evaluator:demo-1", "evaluator:demo-2")
APPROVE = {"decision": "approve"}
REASON = {"reason": "核查"}


async def decided(client: Client, call: Caller, directory: Path, now: datetime) -> dict[str, Any]:
    """A claim whose screening is decided, and that all speaks for."""
    (person,) = await trained(client, directory, now, 1, 1)
    (project,) = person.certificates
    made = (await call.post("app", "subsidy", "/v1/claims", claim_body(person, project))).json()
    while True:
        shown: dict[str, Any] = (await call.get("auditor", "subsidy", f"/v1/claims/{made['id']}")).json()
        if all(rule["passed"] is not None for rule in shown["screening"]):
            return shown
        await asyncio.sleep(0.1)


async def refused(call: Caller, roles: Iterable[str], service: str, path: str, body: object = None) -> None:
    """Each of these roles is told that the matter is not its own, with a body that would do."""
    for role in roles:
        answer = await call.post(role, service, path, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), (role, path, answer.text)


async def seen_by(call: Caller, service: str, path: str) -> set[str]:
    """Which of the central offices and evaluation bodies see what is there."""
    answers = {role: (await call.get(role, service, path)).status_code for role in (*CENTRAL, *EVALUATORS)}
    assert set(answers.values()) <= {200, 403, 404}
    return {role for role, status in answers.items() if status == 200}


# -- a claim -----------------------------------------------------------------------------------------------------------


async def test_a_claim_is_shown_to_whose_work_it_is_and_decided_by_its_district_alone(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    claim = await decided(client, call, directory, now)
    path = f"/v1/claims/{claim['id']}"
    whose = {"city", "finance/maker", "finance/releaser", "auditor"}
    assert await seen_by(call, "subsidy", path) == whose
    before = await call.get("auditor", "subsidy", path)
    everybody = (*CENTRAL, *EVALUATORS)
    for act, body in (
        ("/review", APPROVE),
        ("/approval", APPROVE),
        ("/corrections", {"payee_account": {}}),
        (":withdraw", None),
    ):
        await refused(call, everybody, "subsidy", f"{path}{act}", body)
    await refused(call, everybody, "subsidy", "/v1/claims", claim)
    await refused(call, everybody, "subsidy", "/v1/notices", {"claims": [claim["id"]]})
    for verb in ("review", "approve"):
        await refused(call, everybody, "subsidy", f"/v1/claims:{verb}", {"items": [{"claim_id": claim["id"]}]})
    after = await call.get("auditor", "subsidy", path)
    assert (after.headers["etag"], after.json()) == (before.headers["etag"], before.json())


async def test_the_city_sees_the_claims_of_all_districts(demonstrated: Any, call: Caller) -> None:
    claims = (await call.get("city", "subsidy", "/v1/claims?limit=200")).json()["items"]
    districts = {claim["review_district"] for claim in claims}
    assert len(districts) > 1
    for district in districts:
        told = await call.get("city", "subsidy", f"/v1/claims?limit=200&district={district}")
        assert {claim["review_district"] for claim in told.json()["items"]} == {district}


async def test_histories_and_proofs_are_for_those_who_look_after_the_whole(demonstrated: Any, call: Caller) -> None:
    claim = (await call.get("city", "subsidy", "/v1/claims?limit=1")).json()["items"][0]
    for part in ("history", "comparison", "proofs"):
        assert await seen_by(call, "audit", f"/v1/claims/{claim['id']}/{part}") == {"city", "auditor", "ops"}
    assert await seen_by(call, "audit", f"/v1/access-log?person_id={claim['person_id']}") == {"auditor"}
    assert await seen_by(call, "registry", f"/v1/persons/{claim['person_id']}") == {"city", "auditor"}
    assert await seen_by(call, "notify", f"/v1/messages?person_id={claim['person_id']}") == {"auditor"}


# -- money -------------------------------------------------------------------------------------------------------------


async def test_one_finance_person_makes_another_releases_and_nobody_else_touches_it(
    client: Client, call: Caller, mint: Minter, directory: Path, now: datetime
) -> None:
    claim = await decided(client, call, directory, now)
    await _payable(client, call, mint, claim)
    making = {"claims": [claim["id"]]}
    await refused(call, {*CENTRAL, *EVALUATORS} - {"finance/maker"}, "subsidy", "/v1/payment-batches", making)
    both = mint("finance/maker", "finance/releaser")
    made = await call.post(both, "subsidy", "/v1/payment-batches", making)
    path = f"/v1/payment-batches/{made.json()['id']}"
    assert await seen_by(call, "subsidy", path) == {"city", "finance/maker", "finance/releaser", "auditor"}
    await refused(call, {*CENTRAL, *EVALUATORS} - {"finance/releaser"}, "subsidy", f"{path}:release")
    own = await call.post(both, "subsidy", f"{path}:release")
    assert (own.status_code, own.json()["code"]) == (403, "second_person_required")
    results = {"results": [{"claim_id": claim["id"], "outcome": "paid"}]}
    not_finance = {*CENTRAL, *EVALUATORS} - {"finance/maker", "finance/releaser"}
    await refused(call, not_finance, "subsidy", f"{path}/results", results)
    assert (await call.get("auditor", "subsidy", path)).json()["status"] == "made"
    assert (await call.post("finance/releaser", "subsidy", f"{path}:release")).json()["status"] == "released"


async def _payable(client: Client, call: Caller, mint: Minter, claim: dict[str, Any]) -> None:
    district, path = claim["review_district"], f"/v1/claims/{claim['id']}"
    for part, act in (("reviewer", "review"), ("approver", "approval")):
        assert (await call.post(f"district:{district}/{part}", "subsidy", f"{path}/{act}", APPROVE)).status_code == 200
    staff = f"district:{district}/reviewer"
    other = "310120" if district != "310120" else "310151"
    several = mint(f"district:{other}/reviewer", staff)
    unsaid = await call.post(several, "subsidy", "/v1/notices", {"claims": [claim["id"]]})
    assert [error["pointer"] for error in unsaid.json()["errors"]] == ["/district"]
    listed = {"claims": [claim["id"]], "district": district}
    stranger = await call.post(f"district:{other}/reviewer", "subsidy", "/v1/notices", listed)
    assert (stranger.status_code, stranger.json()["code"]) == (403, "not_your_district")
    notice = (await call.post(several, "subsidy", "/v1/notices", listed)).json()["id"]
    published = (await call.post(several, "subsidy", f"/v1/notices/{notice}:publish")).json()
    await settle(client)
    after = datetime.fromisoformat(f"{published['last_day']}T09:00:00+08:00") + timedelta(days=1)
    for service in call.endpoints.services:
        assert (await call.post("ops", service, "/v1/sandbox/clock", {"to": after.isoformat()})).status_code == 200
    await settle(client)


async def test_only_the_city_sets_a_budget(demonstrated: Any, call: Caller) -> None:
    path = "/v1/budgets/training-fee-subsidy/2025"
    assert await seen_by(call, "subsidy", path) == {"city", "finance/maker", "finance/releaser", "auditor", "ops"}
    body = {"programme": "training-fee-subsidy", "year": 2025, "amount": "1.00"}
    before = (await call.get("city", "subsidy", path)).json()["amount"]
    await refused(call, {*CENTRAL, *EVALUATORS} - {"city"}, "subsidy", "/v1/budgets", body)
    assert (await call.get("city", "subsidy", path)).json()["amount"] == before


# -- policies ----------------------------------------------------------------------------------------------------------


async def test_a_policy_is_drafted_by_one_and_put_in_force_by_another_of_the_policy_office(
    call: Caller, mint: Minter
) -> None:
    drafting = next(item for item in await operations(call) if item.path == "/v1/policies")
    body = {**drafting.body(), "version": f"e2e-{uuid4()}"}
    await refused(call, {*CENTRAL, *EVALUATORS} - {"policy"}, "subsidy", "/v1/policies", body)
    drafter = mint("policy", "policy/approver")
    assert (await call.post(drafter, "subsidy", "/v1/policies", body)).status_code == 201
    path = f"/v1/policies/{body['programme']}/{body['version']}:activate"
    await refused(call, {*CENTRAL, *EVALUATORS} - {"policy", "policy/approver"}, "subsidy", path)
    own = await call.post(drafter, "subsidy", path)
    assert (own.status_code, own.json()["code"]) == (403, "second_person_required")


# -- training ----------------------------------------------------------------------------------------------------------


async def test_a_class_that_one_body_evaluates_is_closed_to_the_other(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    (person,) = await trained(client, directory, now, 1, 1)
    (number,) = person.certificates.values()
    certificate = (await call.get("auditor", "training", f"/v1/certificates/{number}")).json()
    own = f"evaluator:{certificate['evaluator_code']}"
    (other,) = set(EVALUATORS) - {own}
    path = f"/v1/classes/{certificate['class_id']}"
    assert await seen_by(call, "training", path) == {"city", "auditor", "ops", own}
    assert await seen_by(call, "training", f"/v1/certificates/{number}") == {"city", "auditor", "ops", own}
    evaluation = {"person_id": person.person_id, "norm": "创业培训评价规范", "score": 1, "passed": False}
    theirs = await call.post(other, "training", f"{path}/evaluations", evaluation)
    assert (theirs.status_code, theirs.json()["code"]) == (403, "not_your_class")
    issue = {"class_id": certificate["class_id"], "person_id": person.person_id}
    assert not (await call.post(other, "training", "/v1/certificates", issue)).is_success
    revoked = await call.post(other, "training", f"/v1/certificates/{number}:revoke", REASON)
    assert revoked.status_code == 403
    await refused(call, CENTRAL, "training", f"{path}/evaluations", evaluation)
    await refused(call, CENTRAL, "training", "/v1/certificates", issue)
    await refused(call, set(CENTRAL) - {"city"}, "training", f"/v1/certificates/{number}:revoke", REASON)
    assert (await call.get("auditor", "training", f"/v1/certificates/{number}")).json()["status"] == "valid"


# -- people and offices as such ----------------------------------------------------------------------------------------

RECONCILE = "/v1/reconciliations"
"""Reads all and changes nothing, but takes too long for a GET."""
CLEAR = "/v1/payment-batches/{batch_id}/results/{digest}:clear"
WRITES = {
    "auditor": {RECONCILE},
    "policy": {
        "/v1/policies",
        "/v1/policies/{programme}/{version}:activate",
        "/v1/policies/{programme}/{version}:simulate",
    },
    "policy/approver": {
        "/v1/policies/{programme}/{version}:activate",
        "/v1/policies/{programme}/{version}:simulate",
    },
    "finance/maker": {
        "/v1/budgets/{programme}/{year}:carry-over",
        "/v1/payment-batches",
        "/v1/payment-batches/{batch_id}/results",
        CLEAR,
        RECONCILE,
        "/v1/payment-batches/{batch_id}:cancel",
        "/v1/payment-batches/{batch_id}:query",
        "/v1/recoveries",
        "/v1/recoveries/{recovery_id}/instalments",
        "/v1/recoveries/{recovery_id}:write-off",
    },
    "finance/releaser": {
        "/v1/budgets/{programme}/{year}:confirm-carry-over",
        "/v1/payment-batches/{batch_id}/results",
        CLEAR,
        RECONCILE,
        "/v1/payment-batches/{batch_id}:cancel",
        "/v1/payment-batches/{batch_id}:query",
        "/v1/payment-batches/{batch_id}:release",
        "/v1/recoveries",
        "/v1/recoveries/{recovery_id}/instalments",
        "/v1/recoveries/{recovery_id}:confirm",
        "/v1/recoveries/{recovery_id}:dismiss",
        "/v1/recoveries/{recovery_id}:write-off",
    },
    "ops": {
        "/v1/clients",
        "/v1/clients/{client_id}/keys",
        "/v1/clients/{client_id}/keys/{kid}:approve",
        "/v1/clients/{client_id}/keys/{kid}:revoke",
        "/v1/clients/{client_id}:approve",
        "/v1/clients/{client_id}:request-resumption",
        "/v1/clients/{client_id}:resume",
        "/v1/clients/{client_id}:suspend",
        "/v1/parked/{parked_id}:drop",
        "/v1/parked/{parked_id}:retry",
        "/v1/projections/{projection}:rebuild",
        "/v1/sandbox/clock",
        "/v1/signing-keys:rotate",
        "/v1/vault/master-key:rotate",
        "/v1/webhook-attempts/{attempt_id}:resend",
        "/v1/webhook-endpoints/{endpoint_id}:disable",
        "/v1/webhook-endpoints/{endpoint_id}:enable",
    },
    "evaluator:demo-1": {
        "/v1/certificates",
        "/v1/certificates/{number}:revoke",
        "/v1/classes/{class_id}/evaluations",
    },
}
"""All that an office may set in motion, in any service."""


def admits(operation: Operation, role: str) -> bool:
    return any(fnmatchcase(role, pattern) for pattern in operation.roles)


async def test_each_office_sets_its_own_matters_in_motion_and_no_others(call: Caller) -> None:
    known = await operations(call)
    for role, expected in WRITES.items():
        assert {operation.path for operation in known if admits(operation, role)} == expected, role


async def test_what_the_offices_read_names_nobody(demonstrated: Any, call: Caller, directory: Path) -> None:
    """Every address that leads somewhere: no name, identity number, telephone number or account of anybody."""
    known, finder = await known_ids(call), Finder(tuple(values_of(directory)))
    found, read = [], 0
    for service in call.endpoints.services:
        document = (await call.get(None, service, "/openapi.json")).json()
        for path, methods in document["paths"].items():
            operation = methods.get("get", {})
            for role in ("ops", "auditor", "finance/maker", "policy", "evaluator:demo-1"):
                if not any(fnmatchcase(role, pattern) for pattern in operation.get("x-roles", ())):
                    continue
                for url in known.urls(service, path, operation):
                    answer = await call.get(role, service, url)
                    read += answer.is_success
                    found += [f"{role} {service} {url}"] if finder.found_in(answer.content) else []
    assert found == []
    assert read > 100
