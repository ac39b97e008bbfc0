"""Decisions on a selection of claims, as long work: accepted at once, carried out as the person, told item by item."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.local.client import Client
from deploy.local.clock import settle
from tests.e2e.caller import Caller, Minter
from tests.e2e.operations import new_id
from tests.e2e.stories import claim_body, trained

pytestmark = pytest.mark.stack

REVIEW, APPROVE = "/v1/claims:review-selection", "/v1/claims:approve-selection"
REVIEWER = "district:310115/reviewer"


async def results(call: Caller, role: str, operation: str, query: str = "limit=1") -> list[dict[str, Any]]:
    """All items, a page at a time."""
    items, path = [], f"/v1/operations/{operation}/results?{query}"
    while True:
        page = (await call.get(role, "subsidy", path)).json()
        items += page["items"]
        if page["next"] is None:
            return items
        path = f"/v1/operations/{operation}/results?{query}&cursor={page['next']}"


@pytest.mark.clause("B-17")
async def test_a_selection_is_decided_item_by_item(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    claims = []
    for person in await trained(client, directory, now, 3, 1):
        (project,) = person.certificates
        claims.append((await call.post("app", "subsidy", "/v1/claims", claim_body(person, project))).json())
    await settle(client)
    district = claims[0]["review_district"]
    here = [claim["id"] for claim in claims if claim["review_district"] == district]
    elsewhere = [claim["id"] for claim in claims if claim["review_district"] != district]
    unknown = new_id("clm")
    reviewer, approver = f"district:{district}/reviewer", f"district:{district}/approver"

    body = {"claim_ids": [*here, *elsewhere, unknown], "decision": "approve"}
    operation = await call.finished(reviewer, "subsidy", REVIEW, body, idempotency_key="selection-1")
    assert operation["result"] == {"succeeded": len(here), "failed": len(elsewhere) + 1}
    assert operation["done"] == operation["total"] == len(claims) + 1
    told = {
        item["id"]: (item["status"], (item["problem"] or {}).get("code"))
        for item in await results(call, reviewer, operation["id"])
    }
    assert told == {
        **dict.fromkeys(here, (200, None)),
        **dict.fromkeys(elsewhere, (403, "not_your_district")),
        unknown: (404, "not_found"),
    }
    failed = await results(call, "ops", operation["id"], "outcome=failed")
    assert [item["id"] for item in failed] == [*elsewhere, unknown]
    other = await call.get(approver, "subsidy", f"/v1/operations/{operation['id']}/results")
    assert other.status_code == 404

    again = await call.post(reviewer, "subsidy", REVIEW, body, idempotency_key="selection-1")
    assert (again.json()["id"], again.headers["idempotent-replayed"]) == (operation["id"], "true")

    await settle(client)
    approved = await call.finished(approver, "subsidy", APPROVE, {"decision": "approve", "district": district})
    assert set(here) <= {item["id"] for item in await results(call, approver, approved["id"], "outcome=succeeded")}
    for claim in here:
        shown = (await call.get(approver, "subsidy", f"/v1/claims/{claim}")).json()
        assert shown["status"] == "approved"


async def test_a_selection_is_well_formed_or_nothing_is_accepted(call: Caller, mint: Minter) -> None:
    id = new_id("clm")
    for body, pointer in (
        ({"claim_ids": [id, id], "decision": "approve"}, "/claim_ids/1"),
        ({"claim_ids": [id, "clm_x"], "decision": "approve"}, "/claim_ids/1"),
        ({"claim_ids": [], "decision": "approve"}, "/claim_ids"),
        ({"claim_ids": [id], "decision": "approve", "programme": "training-fee-subsidy"}, "/claim_ids"),
        ({"claim_ids": [id], "decision": "reject"}, "/reasons"),
        ({"claim_ids": [id], "decision": "maybe"}, "/decision"),
        ({"decision": "approve", "reasons": [], "more": 1}, "/more"),
    ):
        refused = await call.post(REVIEWER, "subsidy", REVIEW, body)
        assert (refused.status_code, [error["pointer"] for error in refused.json()["errors"]]) == (422, [pointer])
    other = await call.post(REVIEWER, "subsidy", REVIEW, {"decision": "approve", "district": "310101"})
    assert (other.status_code, other.json()["code"]) == (403, "not_your_district")
    assert (await call.post(REVIEWER, "subsidy", APPROVE, {"decision": "approve"})).status_code == 403
    system = mint("district:310115/reviewer", kind="system")
    assert (await call.post(system, "subsidy", REVIEW, {"decision": "approve"})).json()["code"] == "person_required"


async def test_a_hundred_thousand_claims_may_be_named_in_one_request_and_no_more(call: Caller) -> None:
    ids = [new_id("clm") for _ in range(100_001)]
    refused = await call.post(REVIEWER, "subsidy", REVIEW, {"claim_ids": ids, "decision": "maybe"})
    assert refused.status_code == 422
    assert "/claim_ids" in [error["pointer"] for error in refused.json()["errors"]]
    named = await call.post(REVIEWER, "subsidy", REVIEW, {"claim_ids": ids[1:], "decision": "maybe"})
    assert [error["pointer"] for error in named.json()["errors"]] == ["/decision"]
    larger = await call.post(REVIEWER, "subsidy", REVIEW, b" " * (8 * 1024 * 1024 + 1))
    assert (larger.status_code, larger.json()["detail"]) == (413, "请求内容不能超过 8 MiB")
