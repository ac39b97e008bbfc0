"""From release to the account over HTTP: files, results that come twice or astray, returns, unknown outcomes, races."""

import asyncio
import csv
import io
from base64 import b64encode
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from deploy.local.client import Client
from deploy.local.clock import settle
from services.subsidy.bank_files.pain_001 import NAMESPACE
from tests.e2e import payments
from tests.e2e.caller import Caller, Minter
from tests.e2e.payments import order, result_file, sent, status

pytestmark = pytest.mark.stack

DELIVERY = "purpose=bank_delivery"


@pytest.mark.clause("B-19")
@pytest.mark.clause("B-35")
async def test_a_released_batch_gives_the_bank_two_files_that_say_the_same_and_each_look_is_on_record(
    client: Client, call: Caller, mint: Minter, directory: Path, now: datetime
) -> None:
    claims = await payments.payable(client, call, directory, now, 2)
    batch = await payments.made(call, claims)
    path = f"/v1/payment-batches/{batch}/file"
    early = await call.get("finance/maker", "subsidy", f"{path}?format=csv&{DELIVERY}")
    assert (early.status_code, early.json()["code"]) == (409, "not_released")
    await call.post("finance/releaser", "subsidy", f"/v1/payment-batches/{batch}:release")

    text = await call.get("finance/maker", "subsidy", f"{path}?format=csv&{DELIVERY}")
    again = await call.get("finance/releaser", "subsidy", f"{path}?format=csv&purpose=bank_inquiry")
    message = await call.get("finance/maker", "subsidy", f"{path}?format=pain.001&{DELIVERY}")
    assert (text.status_code, again.content) == (200, text.content)
    assert text.headers["content-digest"] == f"sha-256=:{b64encode(sha256(text.content).digest()).decode()}:"
    head, *lines = csv.reader(io.StringIO(text.content.decode("gb18030"), newline=""))
    assert head == [batch, "2", "3600.00", "CNY"]
    accounts = {claim.person.founder.person.account.number for claim in claims}
    assert {line[0] for line in lines} == {order(claim) for claim in claims}
    assert {line[2] for line in lines} == accounts
    place = {"p": NAMESPACE}
    document = ET.fromstring(message.content)
    assert [found.text for found in document.iterfind(".//p:EndToEndId", place)] == [line[0] for line in lines]
    assert [found.text for found in document.iterfind(".//p:Cdtr/p:Nm", place)] == [line[1] for line in lines]

    for role in ("auditor", "city", "ops", "app"):
        assert (await call.get(role, "subsidy", f"{path}?format=csv&{DELIVERY}")).status_code == 403
    machine = mint("finance/maker", kind="system")
    assert (await call.get(machine, "subsidy", f"{path}?format=csv&{DELIVERY}")).status_code == 403
    assert (await call.get("finance/maker", "subsidy", f"{path}?format=csv")).status_code == 422

    await settle(client)
    looks: list[dict[str, Any]] = []
    while len(looks) < 3:
        query = f"person_id={claims[0].person.person_id}&limit=200"
        items = (await call.get("auditor", "audit", f"/v1/access-log?{query}")).json()["items"]
        looks = [item for item in items if item["subject"] == batch]
    assert sorted(look["purpose"] for look in looks) == ["bank_delivery", "bank_delivery", "bank_inquiry"]
    assert all(look["revealed"] and look["fields"] == ["holder", "number"] and look["user"] for look in looks)


@pytest.mark.clause("B-35")
async def test_a_batch_released_twice_at_once_is_ordered_once(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    claims = await payments.payable(client, call, directory, now, 2)
    path = f"/v1/payment-batches/{await payments.made(call, claims)}:release"
    answers = await asyncio.gather(*(call.post("finance/releaser", "subsidy", path) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert {answer.json().get("code") for answer in answers} == {None, "already_released"}
    for claim in claims:
        history = (await call.get("auditor", "audit", f"/v1/claims/{claim.claim_id}/history")).json()
        while history.get("claim", {}).get("status") != "payment_ordered":
            history = (await call.get("auditor", "audit", f"/v1/claims/{claim.claim_id}/history")).json()
        orders = [item for item in history["timeline"] if item["type"] == "subsidy.PaymentOrdered.v1"]
        assert len(orders) == 1


@pytest.mark.clause("B-19")
@pytest.mark.clause("B-35")
async def test_a_result_file_twice_at_once_in_part_out_of_order_or_for_another_batch_does_no_harm(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    one, two, three, other = await payments.payable(client, call, directory, now, 4)
    batch, elsewhere = await payments.released(call, [one, two, three]), await payments.released(call, [other])
    astray = result_file(batch, (order(one), "成功", ""), (order(other), "成功", ""), ("X-9", "成功", ""))

    answers = await asyncio.gather(*(sent(call, batch, astray) for _ in range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert sorted(answer.json()["repeated"] for answer in answers) == [False, True, True, True]
    assert {tuple(line.get("code") for line in answer.json()["results"]) for answer in answers} == {
        (None, "not_in_batch", "not_ours")
    }
    assert [await status(call, claim) for claim in (one, two, other)] == ["paid", "payment_ordered", "payment_ordered"]

    wrong = await sent(call, elsewhere, astray)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "another_batch")
    assert await status(call, other) == "payment_ordered"
    renamed = await sent(call, elsewhere, astray.replace(batch.encode(), elsewhere.encode()))
    assert [line.get("code") for line in renamed.json()["results"]] == ["not_in_batch", None, "not_ours"]
    late = result_file(batch, (order(two), "退票", "户名不符"))
    early = result_file(batch, (order(two), "成功", ""))
    assert [line.get("code") for line in (await sent(call, batch, late)).json()["results"]] == [None]
    assert [line["code"] for line in (await sent(call, batch, early)).json()["results"]] == ["wrong_state"]
    assert await status(call, two) == "payment_returned"

    unsure = result_file(batch, (order(three), "成功", ""), (order(three), "退票", ""))
    assert {line["code"] for line in (await sent(call, batch, unsure)).json()["results"]} == {"contradicts_itself"}
    dear = result_file(batch, (order(three), "成功", ""), amount="1800.01")
    assert [line["code"] for line in (await sent(call, batch, dear)).json()["results"]] == ["amount_differs"]
    false = result_file(batch, (order(three), "成功", "")).replace(b",1,", b",2,", 1)
    refused = await sent(call, batch, false)
    assert (refused.status_code, refused.json()["code"]) == (422, "file_totals")
    assert await status(call, three) == "payment_ordered"


@pytest.mark.clause("B-19")
async def test_money_that_comes_back_after_it_was_paid_is_paid_again_once_the_account_is_right(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    (claim,) = await payments.payable(client, call, directory, now, 1)
    first = await payments.released(call, [claim])
    await sent(call, first, result_file(first, (order(claim), "成功", "")))
    await sent(call, first, result_file(first, (order(claim), "退票", "账户已销户")))
    returned = await payments.shown(call, claim.claim_id)
    assert (returned["status"], returned["reasons"]) == ("payment_returned", ["账户已销户"])
    account = claim.person.founder.person.account
    payee = {"kind": "bank_account", "holder": account.holder, "number": "4111111111111111", "bank": "示范银行"}
    path = f"/v1/claims/{claim.claim_id}/corrections"
    corrected = await call.post("app", "subsidy", path, {"payee_account": payee})
    assert corrected.status_code == 200, corrected.text
    await payments.decided(call, claim.claim_id)
    second = await payments.released(call, [claim])
    stale = await sent(call, first, result_file(first, (order(claim), "成功", ""), day="2025-03-04"))
    assert [line["code"] for line in stale.json()["results"]] == ["wrong_state"]
    taken = await sent(call, second, result_file(second, (order(claim, 2), "成功", "")))
    assert [line["status"] for line in taken.json()["results"]] == ["paid"]
    text = await call.get("finance/maker", "subsidy", f"/v1/payment-batches/{first}/file?format=csv&{DELIVERY}")
    assert account.number.encode() in text.content


@pytest.mark.clause("B-19")
async def test_an_unknown_outcome_ends_on_evidence_of_two_persons_and_is_never_paid_twice(
    client: Client, call: Caller, mint: Minter, directory: Path, now: datetime
) -> None:
    one, two = await payments.payable(client, call, directory, now, 2)
    batch = await payments.released(call, [one, two])
    await sent(call, batch, result_file(batch, (order(one), "待核", ""), (order(two), "待核", "")))
    path = f"/v1/payment-batches/{batch}:query"
    asked = await call.post("finance/maker", "subsidy", path, {})
    assert {item["order_status"] for item in asked.json()["orders"]} == {"unknown"}
    again = await call.post("finance/maker", "subsidy", "/v1/payment-batches", {"claims": [one.claim_id]})
    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")

    evidence = {"claim_id": one.claim_id, "outcome": "paid", "on": "2025-03-03", "kind": "document", "document": "D-1"}
    attested = await call.post("finance/maker", "subsidy", path, {"evidence": [evidence]})
    assert [item["awaits_second_person"] for item in attested.json()["orders"]] == [True, False]
    alone = await call.post("finance/maker", "subsidy", path, {"evidence": [evidence]})
    assert (alone.status_code, alone.json()["code"]) == (403, "second_person_required")
    assert await status(call, one) == "payment_unknown"
    await call.post("finance/releaser", "subsidy", path, {"evidence": [evidence]})
    assert await status(call, one) == "paid"
    statement = {**evidence, "claim_id": two.claim_id, "outcome": "returned", "kind": "statement"}
    await call.post("finance/maker", "subsidy", path, {"evidence": [statement]})
    assert await status(call, two) == "payment_returned"


@pytest.mark.clause("B-32")
async def test_a_revocation_that_races_a_release_leaves_the_claim_out_or_opens_a_recovery(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    claims = await payments.payable(client, call, directory, now, 3)
    batch = await payments.made(call, claims)

    async def revoke(claim: payments.Ready) -> None:
        (number,) = claim.person.certificates.values()
        body = {"reason": "经核查，培训记录不实。"}
        answer = await call.post("city", "training", f"/v1/certificates/{number}:revoke", body)
        assert answer.status_code == 200, answer.text

    release = call.post("finance/releaser", "subsidy", f"/v1/payment-batches/{batch}:release")
    answers = await asyncio.gather(release, *(revoke(claim) for claim in claims))
    assert answers[0] is not None
    await settle(client)
    dropped = (await call.get("auditor", "subsidy", f"/v1/payment-batches/{batch}")).json()["dropped"]
    for claim in claims:
        now_shown = await payments.shown(call, claim.claim_id)
        assert [hold["reason"] for hold in now_shown["holds"]] == ["certificate_revoked"]
        assert now_shown["status"] == ("payable" if claim.claim_id in dropped else "payment_ordered")
