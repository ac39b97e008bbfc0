"""What people and systems may not do, asked over HTTP."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.local.client import Client
from deploy.local.clock import settle
from deploy.local.demo.run import Outcome
from shared.values.ids import new_id, uuid7
from tests.e2e.caller import Caller, Minter
from tests.e2e.stories import claim_body, trained

pytestmark = pytest.mark.stack

APPROVE = {"decision": "approve"}


async def submitted(client: Client, call: Caller, directory: Path, now: datetime) -> dict[str, Any]:
    """A claim whose screening is decided, and that all speaks for."""
    (person,) = await trained(client, directory, now, 1, 1)
    (project,) = person.certificates
    made = (await call.post("app", "subsidy", "/v1/claims", claim_body(person, project))).json()
    while True:
        shown: dict[str, Any] = (await call.get("auditor", "subsidy", f"/v1/claims/{made['id']}")).json()
        if all(rule["passed"] is not None for rule in shown["screening"]):
            return shown
        await asyncio.sleep(0.1)


async def test_review_and_approval_need_two_people_of_the_right_district(
    client: Client, call: Caller, mint: Minter, directory: Path, now: datetime
) -> None:
    claim = await submitted(client, call, directory, now)
    path, district = f"/v1/claims/{claim['id']}", claim["review_district"]
    other = "310101" if district != "310101" else "310104"

    foreign = await call.post(f"district:{other}/reviewer", "subsidy", f"{path}/review", APPROVE)
    assert (foreign.status_code, foreign.json()["code"]) == (403, "not_your_district")

    approver = await call.post(f"district:{district}/approver", "subsidy", f"{path}/review", APPROVE)
    assert (approver.status_code, approver.json()["code"]) == (403, "not_allowed")

    machine = mint(f"district:{district}/reviewer", kind="system")
    by_machine = await call.post(machine, "subsidy", f"{path}/review", APPROVE)
    assert (by_machine.status_code, by_machine.json()["code"]) == (403, "person_required")

    both = mint(f"district:{district}/reviewer", f"district:{district}/approver")
    early = await call.post(both, "subsidy", f"{path}/approval", APPROVE)
    assert (early.status_code, early.json()["status"]) == (409, 409)
    assert (await call.post(both, "subsidy", f"{path}/review", APPROVE)).status_code == 200
    own = await call.post(both, "subsidy", f"{path}/approval", APPROVE)
    assert (own.status_code, own.json()["code"]) == (403, "second_person_required")

    machine = mint(f"district:{district}/approver", kind="system")
    by_machine = await call.post(machine, "subsidy", f"{path}/approval", APPROVE)
    assert (by_machine.status_code, by_machine.json()["code"]) == (403, "person_required")

    foreign = await call.post(f"district:{other}/approver", "subsidy", f"{path}/approval", APPROVE)
    assert (foreign.status_code, foreign.json()["code"]) == (403, "not_your_district")
    assert (await call.get("auditor", "subsidy", path)).json()["status"] == "under_review"


async def test_a_rejection_needs_a_reason(client: Client, call: Caller, directory: Path, now: datetime) -> None:
    claim = await submitted(client, call, directory, now)
    reviewer = f"district:{claim['review_district']}/reviewer"
    refused = await call.post(reviewer, "subsidy", f"/v1/claims/{claim['id']}/review", {"decision": "reject"})
    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/reasons"]


async def test_a_person_in_another_s_district_cannot_take_a_window_claim(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    (person,) = await trained(client, directory, now, 1, 1)
    (project,) = person.certificates
    body = claim_body(person, project, channel="window", district="310101")
    refused = await call.post("district:310115/reviewer", "subsidy", "/v1/claims", body)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_your_district")
    refused = await call.post("app", "subsidy", "/v1/claims", body)
    assert refused.status_code in (403, 422)


async def test_a_batch_s_maker_cannot_release_it(demonstrated: Outcome, call: Caller, mint: Minter) -> None:
    """The demo's batches are released; one that is still to be released is asked for by role and by person alike."""
    batch = (await call.get("auditor", "subsidy", "/v1/payment-batches?limit=1")).json()["items"][0]["id"]
    path = f"/v1/payment-batches/{batch}:release"
    by_role = await call.post("finance/maker", "subsidy", path)
    assert (by_role.status_code, by_role.json()["code"]) == (403, "not_allowed")
    by_machine = await call.post(mint("finance/releaser", kind="system"), "subsidy", path)
    assert (by_machine.status_code, by_machine.json()["code"]) == (403, "person_required")
    again = await call.post("finance/releaser", "subsidy", path)
    assert again.status_code == 409


async def test_a_maker_with_both_roles_cannot_release_the_own_batch(
    demonstrated: Outcome, client: Client, call: Caller, mint: Minter, directory: Path, now: datetime
) -> None:
    claim = await submitted(client, call, directory, now)
    district, both = claim["review_district"], mint("finance/maker", "finance/releaser")
    path = f"/v1/claims/{claim['id']}"
    for role, act in (("reviewer", "review"), ("approver", "approval")):
        assert (await call.post(f"district:{district}/{role}", "subsidy", f"{path}/{act}", APPROVE)).status_code == 200
    unready = await call.post(both, "subsidy", "/v1/payment-batches", {"claims": [claim["id"]]})
    assert (unready.status_code, unready.json()["claim_id"]) == (409, claim["id"])
    publisher = f"district:{district}/reviewer"
    notice = (await call.post(publisher, "subsidy", "/v1/notices", {"claims": [claim["id"]]})).json()["id"]
    published = (await call.post(publisher, "subsidy", f"/v1/notices/{notice}:publish")).json()
    await settle(client)
    after = datetime.fromisoformat(f"{published['last_day']}T09:00:00+08:00") + timedelta(days=1)
    for service in call.endpoints.services:
        assert (await call.post("ops", service, "/v1/sandbox/clock", {"to": after.isoformat()})).status_code == 200
    await settle(client)
    made = await call.post(both, "subsidy", "/v1/payment-batches", {"claims": [claim["id"]]})
    assert made.status_code == 201
    own = await call.post(both, "subsidy", f"/v1/payment-batches/{made.json()['id']}:release")
    assert (own.status_code, own.json()["code"]) == (403, "second_person_required")
    other = await call.post("finance/releaser", "subsidy", f"/v1/payment-batches/{made.json()['id']}:release")
    assert other.json()["status"] == "released"


@pytest.mark.parametrize(
    ("role", "service", "path"),
    [
        ("auditor", "subsidy", "/v1/claims/clm_01900000-0000-7000-8000-000000000000"),
        ("auditor", "subsidy", "/v1/claims/nothing"),
        ("auditor", "subsidy", "/v1/notices/ntc_01900000-0000-7000-8000-000000000000"),
        ("auditor", "subsidy", "/v1/payment-batches/clm_01900000-0000-7000-8000-000000000000"),
        ("auditor", "audit", "/v1/claims/clm_01900000-0000-7000-8000-000000000000/history"),
        ("auditor", "audit", "/v1/claims/per_01900000-0000-7000-8000-000000000000/history"),
        ("city", "registry", "/v1/organisations/org_01900000-0000-7000-8000-000000000000"),
        ("city", "registry", "/v1/persons/org_01900000-0000-7000-8000-000000000000"),
        ("city", "training", "/v1/certificates/SH1900-XX-000000"),
        ("bank:demo-a", "loans", "/v1/whitelist/entries/wle_01900000-0000-7000-8000-000000000000"),
        ("app", "subsidy", "/v1/no-such-thing"),
    ],
)
async def test_what_is_not_there_is_404(call: Caller, role: str, service: str, path: str) -> None:
    answer = await call.get(role, service, path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_the_clock_never_goes_backwards(call: Caller, now: datetime) -> None:
    for service in call.endpoints.services:
        back = {"to": (now - timedelta(days=1)).isoformat()}
        refused = await call.post("ops", service, "/v1/sandbox/clock", back)
        assert (refused.status_code, refused.json()["code"]) == (409, "clock_backwards")


async def test_a_bank_that_an_entry_is_not_for_is_told_no(demonstrated: Outcome, call: Caller) -> None:
    entries = (await call.get("auditor", "loans", "/v1/whitelist/entries?status=in_effect")).json()["items"]
    assert entries
    for entry in entries:
        question = {"person_id": entry["person_id"], "organisation_id": entry["organisation_id"]}
        answers = {
            bank: (await call.post(f"bank:{bank}", "loans", "/v1/whitelist/check", question)).json()
            for bank in ("demo-a", "demo-b", "demo-c")
        }
        assert [answers[bank]["listed"] for bank in ("demo-a", "demo-b", "demo-c")] == [True, True, False]
        assert set(answers["demo-c"]) == {"listed", "as_of"}
        hidden = await call.get("bank:demo-c", "loans", f"/v1/whitelist/entries/{entry['id']}")
        assert hidden.status_code == 404


async def test_a_token_that_is_forged_or_expired_is_no_token(call: Caller, mint: Minter) -> None:
    good = mint("auditor")
    head, body, signature = good.split(".")
    forged = ".".join((head, body, signature[::-1]))
    for token in ("nonsense", forged, mint("auditor", lifetime=-10), f"{head}.{body}."):
        answer = await call.get(token, "subsidy", "/v1/claims")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert (await call.get(good, "subsidy", "/v1/claims")).status_code == 200


async def test_a_payment_batch_names_the_field_in_which_a_claim_is_unknown(call: Caller) -> None:
    body = {"claims": [new_id("clm", uuid7())]}
    refused = await call.post("finance/maker", "subsidy", "/v1/payment-batches", body)
    assert refused.status_code == 422
    assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [("/claims", "unknown_id")]
