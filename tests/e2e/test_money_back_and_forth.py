"""Over HTTP: recoveries, claims that wait for the budget, the year's end, and a reconciliation that balances."""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.client import Client
from deploy.local.clock import now_of, progress_of, settle
from deploy.local.endpoints import Endpoints
from tests.e2e import payments
from tests.e2e.caller import Caller, Minter
from tests.e2e.payments import order, result_file, sent, status
from tests.e2e.stories import broken

pytestmark = pytest.mark.stack

PROGRAMME = "training-fee-subsidy"


async def until(done: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what a process brings about."""
    for _ in range(300):
        if await done():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not come about")


async def line_of(call: Caller, year: int = 2025) -> dict[str, Any]:
    line: dict[str, Any] = (await call.get("city", "subsidy", f"/v1/budgets/{PROGRAMME}/{year}")).json()
    return line


async def reconciled(call: Caller, year: int = 2025) -> dict[str, Any]:
    """What a reconciliation of the line found, and under `id` where it stays."""
    body = {"programme": PROGRAMME, "year": year}
    operation = await call.finished("finance/maker", "subsidy", "/v1/reconciliations", body)
    found = (await call.get("auditor", "subsidy", f"/v1/reconciliations/{operation['id']}")).json()
    return {**found, "id": operation["id"]}


async def paid(call: Caller, claims: list[payments.Ready]) -> str:
    batch = await payments.released(call, claims)
    taken = await sent(call, batch, result_file(batch, *((order(claim), "成功", "") for claim in claims)))
    assert [line["status"] for line in taken.json()["results"]] == ["paid"] * len(claims)
    return batch


@pytest.mark.clause("B-32")
@pytest.mark.clause("B-35")
async def test_a_revocation_after_payment_is_decided_by_two_people_and_the_money_comes_back_to_the_cent(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    (claim,) = await payments.payable(client, call, directory, now, 1)
    await paid(call, [claim])
    before = await line_of(call)
    (number,) = claim.person.certificates.values()
    await call.post("city", "training", f"/v1/certificates/{number}:revoke", {"reason": "经核查，培训记录不实。"})
    await settle(client)
    (suggested,) = (await call.get("finance/maker", "subsidy", f"/v1/recoveries?claim_id={claim.claim_id}")).json()[
        "items"
    ]
    assert (suggested["recovery_status"], suggested["ground"]) == ("suggested", "certificate_revoked")
    assert await status(call, claim) == "paid"

    path = f"/v1/recoveries/{suggested['id']}"
    body = {"claim_id": claim.claim_id, "ground": "certificate_revoked", "document": "REC-1"}
    at_once = await asyncio.gather(*(call.post("finance/maker", "subsidy", "/v1/recoveries", body) for _ in range(3)))
    assert sorted(answer.status_code for answer in at_once) == [201, 409, 409]
    assert (await call.post("finance/maker", "subsidy", f"{path}:confirm")).status_code == 403
    assert (await call.post("finance/releaser", "subsidy", f"{path}:confirm")).status_code == 200
    assert await status(call, claim) == "recovering"

    part = {"amount": "600.01", "reference": "BOC-1", "on": now.date().isoformat()}
    twice = [await call.post("finance/maker", "subsidy", f"{path}/instalments", part) for _ in range(2)]
    assert {answer.json()["owed"] for answer in twice} == {"1199.99"}
    dear = await call.post(
        "finance/maker", "subsidy", f"{path}/instalments", {**part, "amount": "1200.00", "reference": "BOC-2"}
    )
    assert (dear.status_code, dear.json()["owed"]) == (409, "1199.99")
    rest = {**part, "amount": "1199.99", "reference": "BOC-2"}
    assert (await call.post("finance/maker", "subsidy", f"{path}/instalments", rest)).status_code == 201
    assert await status(call, claim) == "recovered"
    await settle(client)
    after = await line_of(call)
    assert Decimal(after["recovered"]) - Decimal(before["recovered"]) == Decimal("1800.00")
    assert (after["committed"], after["left"]) == (before["committed"], before["left"])


@pytest.mark.clause("B-12")
async def test_a_claim_that_found_the_budget_exhausted_goes_on_when_the_line_is_raised(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    (claim,) = await payments.screened(client, call, directory, now, 1)
    line = await line_of(call)

    async def set_to(amount: str) -> httpx.Response:
        return await call.post(
            "city", "subsidy", "/v1/budgets", {"programme": PROGRAMME, "year": 2025, "amount": amount}
        )

    assert (await set_to(line["committed"])).status_code == 201
    await payments.approved(call, [claim])
    held = await payments.shown(call, claim.claim_id)
    assert (held["status"], [hold["reason"] for hold in held["holds"]]) == ("under_review", ["budget"])
    await set_to(line["amount"])

    async def free() -> bool:
        return not (await payments.shown(call, claim.claim_id))["holds"]

    await until(free)
    approval = f"/v1/claims/{claim.claim_id}/approval"
    answer = await call.post(f"district:{claim.district}/approver", "subsidy", approval, payments.APPROVE)
    assert answer.json()["status"] == "approved"


@pytest.mark.clause("B-12")
async def test_a_claim_that_waits_for_the_budget_goes_on_when_another_gives_its_commitment_back(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    one, two = await payments.screened(client, call, directory, now, 2)
    line = await line_of(call)
    amount = str(Decimal(line["committed"]) + Decimal("1800.00"))
    body = {"programme": PROGRAMME, "year": 2025, "amount": amount}
    assert (await call.post("city", "subsidy", "/v1/budgets", body)).status_code == 201
    await payments.approved(call, [one, two])
    assert [hold["reason"] for hold in (await payments.shown(call, two.claim_id))["holds"]] == ["budget"]
    assert (await call.post("app", "subsidy", f"/v1/claims/{one.claim_id}:withdraw")).status_code == 200

    async def free() -> bool:
        return not (await payments.shown(call, two.claim_id))["holds"]

    await until(free)
    await call.post("city", "subsidy", "/v1/budgets", {**body, "amount": line["amount"]})


@pytest.mark.clause("B-32")
async def test_a_revocation_that_races_an_approval_never_lets_the_claim_be_paid(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    claims = await payments.screened(client, call, directory, now, 3)
    for claim in claims:
        path = f"/v1/claims/{claim.claim_id}/review"
        await call.post(f"district:{claim.district}/reviewer", "subsidy", path, payments.APPROVE)

    async def revoke(claim: payments.Ready) -> None:
        (number,) = claim.person.certificates.values()
        body = {"reason": "经核查，培训记录不实。"}
        assert (await call.post("city", "training", f"/v1/certificates/{number}:revoke", body)).status_code == 200

    async def approve(claim: payments.Ready) -> None:
        path = f"/v1/claims/{claim.claim_id}/approval"
        await call.post(f"district:{claim.district}/approver", "subsidy", path, payments.APPROVE)

    await asyncio.gather(*(act(claim) for claim in claims for act in (approve, revoke)))
    await settle(client)
    for claim in claims:
        found = await payments.shown(call, claim.claim_id)
        assert "certificate_revoked" in [hold["reason"] for hold in found["holds"]]
        refused = await call.post("finance/maker", "subsidy", "/v1/payment-batches", {"claims": [claim.claim_id]})
        assert refused.status_code == 409


@pytest.mark.clause("B-12")
@pytest.mark.clause("B-19")
@pytest.mark.clause("B-35")
async def test_at_the_year_s_end_what_is_unpaid_moves_and_both_lines_balance_to_the_cent(
    fresh_stack: Callable[[], tuple[Path, Endpoints]],
) -> None:
    directory, endpoints = fresh_stack()
    limits = httpx.Limits(max_connections=20)
    async with (
        Client(endpoints, "e2e/year-end") as client,
        httpx.AsyncClient(timeout=30.0, trust_env=False, limits=limits) as http,
    ):
        call, mint = Caller(http, endpoints), Minter(directory)
        now = now_of(await progress_of(client))
        done, waits, flies, back = await payments.payable(client, call, directory, now, 4)
        await paid(call, [done])
        batch = await payments.released(call, [flies, back])
        await sent(call, batch, result_file(batch, (order(back), "成功", "")))
        await sent(call, batch, result_file(batch, (order(back), "退票", "账户已销户")))
        again = await sent(call, batch, result_file(batch, (order(back), "成功", ""), day="2025-03-04"))
        assert [item["code"] for item in again.json()["results"]] == ["wrong_state"]
        (difference,) = (await reconciled(call))["differences"]
        assert (difference["difference"], difference["digest"]) == ("result_refused", again.json()["digest"])
        clearing = f"/v1/payment-batches/{batch}/results/{difference['digest']}:clear"
        reason = {"lines": [difference["line_number"]], "reason": "银行确认系重复回报。", "document": "D-12"}
        alone = await call.post("finance/maker", "subsidy", clearing, reason)
        assert (alone.status_code, alone.json()["code"]) == (403, "second_person_required")
        assert (await call.post("finance/releaser", "subsidy", clearing, reason)).status_code == 200
        before = await reconciled(call)
        assert before["balanced"], before["differences"]
        assert before["totals"] | {"budget": ""} == {
            "budget": "", "committed": "7200.00", "ordered": "5400.00", "paid": "1800.00", "returned": "1800.00",
            "in_flight": "1800.00", "unpaid": "3600.00", "carried_in": "0.00", "carried_out": "0.00",
            "recovered": "0.00", "written_off": "0.00", "received": "0.00",
        }  # fmt: skip
        assert [item["open"] for item in before["open"]] == ["in_flight"]

        early = await call.post("city", "subsidy", f"/v1/budgets/{PROGRAMME}/2025:carry-over")
        assert (early.status_code, early.json()["code"]) == (409, "year_not_over")
        await payments.clock_to(client, call, datetime.fromisoformat("2026-01-05T09:00:00+08:00"))
        await call.post("city", "subsidy", "/v1/budgets", {"programme": PROGRAMME, "year": 2026, "amount": "1800.00"})
        path = f"/v1/budgets/{PROGRAMME}/2025"
        assert (await call.post("city", "subsidy", f"{path}:carry-over")).status_code == 200
        own = await call.post("city", "subsidy", f"{path}:confirm-carry-over")
        assert (own.status_code, own.json()["code"]) == (403, "second_person_required")
        assert (await call.post(mint("city"), "subsidy", f"{path}:confirm-carry-over")).json()["confirmed"] is True

        async def one_moved() -> bool:
            return bool((await line_of(call, 2026))["committed"] == "1800.00")

        await until(one_moved)
        await settle(client)
        left = await reconciled(call)
        assert [item["difference"] for item in left["differences"]] == ["carry_over_left"]
        await call.post("city", "subsidy", "/v1/budgets", {"programme": PROGRAMME, "year": 2026, "amount": "9000.00"})

        async def both_moved() -> bool:
            return bool((await line_of(call, 2026))["committed"] == "3600.00")

        await until(both_moved)
        await sent(call, batch, result_file(batch, (order(flies), "退票", "户名不符")))

        async def all_moved() -> bool:
            return bool((await line_of(call, 2026))["committed"] == "5400.00")

        await until(all_moved)
        await paid(call, [waits])
        await settle(client)
        for year, committed, out in ((2025, "1800.00", "5400.00"), (2026, "5400.00", "0.00")):
            found = await reconciled(call, year)
            assert found["balanced"], found["differences"]
            assert (found["totals"]["committed"], found["totals"]["carried_out"]) == (committed, out)
            assert found["totals"]["paid"] == "1800.00"
        text = await call.get("auditor", "subsidy", f"/v1/reconciliations/{found['id']}?format=csv")
        rows = list(csv.reader(io.StringIO(text.content.decode("utf-8-sig"), newline="")))
        assert rows[0][1] == f"{PROGRAMME}/2026"
        assert await broken(client, directory) == []
