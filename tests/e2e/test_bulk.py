"""Decisions in bulk: each claim gets its own, and a repeated request repeats none."""

from datetime import datetime
from pathlib import Path

import pytest

from deploy.local.client import Client
from deploy.local.clock import settle
from shared.values.ids import new_id, uuid7
from tests.e2e.caller import Caller
from tests.e2e.stories import claim_body, trained

pytestmark = pytest.mark.stack


async def test_each_item_has_its_own_result(client: Client, call: Caller, directory: Path, now: datetime) -> None:
    people = await trained(client, directory, now, 3, 1)
    claims = []
    for person in people:
        (project,) = person.certificates
        claims.append((await call.post("app", "subsidy", "/v1/claims", claim_body(person, project))).json())
    await settle(client)
    district = claims[0]["review_district"]
    elsewhere = [claim["id"] for claim in claims if claim["review_district"] != district]
    here = [claim["id"] for claim in claims if claim["review_district"] == district]
    unknown = new_id("clm", uuid7())
    body = {
        "items": [
            *({"claim_id": id, "decision": "approve"} for id in (*here, *elsewhere, unknown)),
        ]
    }
    reviewer = f"district:{district}/reviewer"
    told = (await call.post(reviewer, "subsidy", "/v1/claims:review", body, idempotency_key="bulk-1")).json()
    results = {item["id"]: item for item in told["items"]}
    assert [results[id]["body"]["status"] for id in here] == ["under_review"] * len(here)
    assert [results[id]["problem"]["code"] for id in elsewhere] == ["not_your_district"] * len(elsewhere)
    assert (results[unknown]["status"], results[unknown]["problem"]["code"]) == (404, "not_found")
    assert (told["succeeded"], told["failed"]) == (len(here), len(elsewhere) + 1)

    again = (await call.post(reviewer, "subsidy", "/v1/claims:review", body, idempotency_key="bulk-1")).json()
    assert [item.get("body") for item in again["items"][: len(here)]] == [results[id]["body"] for id in here]
    anew = (await call.post(reviewer, "subsidy", "/v1/claims:review", body)).json()
    assert [item["problem"]["code"] for item in anew["items"][: len(here)]] == ["wrong_state"] * len(here)

    approver = f"district:{district}/approver"
    approved = (await call.post(approver, "subsidy", "/v1/claims:approve", body)).json()
    assert [item["body"]["status"] for item in approved["items"][: len(here)]] == ["approved"] * len(here)


async def test_a_bulk_request_is_well_formed_or_nothing_happens(call: Caller) -> None:
    id = new_id("clm", uuid7())
    twice = {"items": [{"claim_id": id, "decision": "approve"}] * 2}
    refused = await call.post("district:310115/reviewer", "subsidy", "/v1/claims:review", twice)
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/items/1/claim_id"]
    for items in ([], [{"claim_id": "x", "decision": "approve"}], [{"claim_id": id, "decision": "maybe"}]):
        refused = await call.post("district:310115/reviewer", "subsidy", "/v1/claims:review", {"items": items})
        assert refused.status_code == 422
    wrong = await call.post("district:310115/reviewer", "subsidy", "/v1/claims:approve", twice)
    assert wrong.status_code == 403


async def test_a_key_of_any_length_that_may_be_serves_every_item_and_another_serves_none(call: Caller) -> None:
    body = {"items": [{"claim_id": new_id("clm", uuid7()), "decision": "approve"}]}
    role = "district:310115/reviewer"
    longest = (await call.post(role, "subsidy", "/v1/claims:review", body, idempotency_key="k" * 255)).json()
    assert longest["items"][0]["problem"]["code"] == "not_found"
    too_long = await call.post(role, "subsidy", "/v1/claims:review", body, idempotency_key="k" * 256)
    assert (too_long.status_code, too_long.json()["code"]) == (400, "idempotency_key_invalid")
