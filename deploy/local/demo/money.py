"""From approval to the account: public notices over a holiday, objections, payment batches by two people."""

import asyncio
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

from deploy.local.client import Client
from deploy.local.clock import advance, settle
from deploy.local.demo.claims import Made, account_body
from shared.testing.city import Road
from shared.values.calendar import add_working_days, is_working_day
from shared.values.clocks import SHANGHAI

NOTICE_DAYS = 5
MOST_ITEMS = 200
INSTALMENTS = ("1000.00", "800.00")


def day_before_holiday(today: date) -> date:
    """The first working day from `today` whose notice period has a public holiday in it."""
    day = today
    while True:
        if is_working_day(day):
            period = [day + timedelta(days=n) for n in range(1, (add_working_days(day, NOTICE_DAYS) - day).days + 1)]
            if any(other.weekday() < 5 and not is_working_day(other) for other in period):
                return day
        day += timedelta(days=1)


async def publish_notices(client: Client, claims: list[Made], approved: set[str]) -> dict[str, str]:
    """Each district drafts and publishes its notice; returns the notice of each claim."""
    by_district: dict[str, list[str]] = {}
    for claim in claims:
        if claim.claim_id in approved:
            by_district.setdefault(claim.district, []).append(claim.claim_id)

    async def one(district: str, ids: list[str]) -> dict[str, str]:
        role = f"district:{district}/reviewer"
        found = {}
        for n in range(0, len(ids), MOST_ITEMS):
            chunk = ids[n : n + MOST_ITEMS]
            step = f"notice/{district}/{n}"
            drafted = await client.post(role, "subsidy", "/v1/notices", {"claims": chunk}, step=step)
            await client.post(role, "subsidy", f"/v1/notices/{drafted.id}:publish", step=f"{step}/publish")
            found.update(dict.fromkeys(chunk, drafted.id))
        return found

    notices: dict[str, str] = {}
    for found in await asyncio.gather(*(one(district, ids) for district, ids in by_district.items())):
        notices.update(found)
    return notices


async def objections(client: Client, claims: list[Made], notices: dict[str, str]) -> None:
    """Someone objects to the claims on those two roads; the district settles each."""
    upheld = {Road.OBJECTED_UPHELD: True, Road.OBJECTED_DISMISSED: False}

    async def one(claim: Made) -> None:
        raised = await client.post(
            "app",
            "subsidy",
            f"/v1/notices/{notices[claim.claim_id]}/objections",
            {"claim_id": claim.claim_id, "grounds": "公示期内收到反映，请核实实际经营情况。"},
            step=f"objection/{claim.claim_id}",
        )
        holds = upheld[claim.road]
        reasons = "经核实，申请人未实际经营该组织。" if holds else "经核实，反映的情况不属实。"
        await client.post(
            f"district:{claim.district}/approver",
            "subsidy",
            f"/v1/objections/{raised.id}/decision",
            {"upheld": holds, "reasons": reasons},
            step=f"objection/{claim.claim_id}/decision",
        )

    await asyncio.gather(*(one(claim) for claim in claims if claim.road in upheld and claim.claim_id in notices))


async def pass_notices(client: Client, published_on: date) -> datetime:
    """Take the clock to the morning after the notices' last day."""
    after = add_working_days(published_on, NOTICE_DAYS) + timedelta(days=1)
    return await advance(client, datetime.combine(after, time(9), SHANGHAI))


async def pay(client: Client, payable: list[str], made: list[Made]) -> None:
    """One person makes each batch, another releases it, and the bank's results come in.

    What the bank sends back is corrected by the claimant and paid again.
    """
    closed = {claim.claim_id: claim for claim in made if claim.road is Road.RETURNED and claim.claim_id in payable}
    await _batches(client, payable, "batch", closed)
    if closed:
        await asyncio.gather(*(_correct(client, claim) for claim in closed.values()))
        await settle(client)
        await _batches(client, sorted(closed), "batch/again", {})


async def _batches(client: Client, payable: list[str], name: str, closed: Mapping[str, Made]) -> None:
    for n in range(0, len(payable), MOST_ITEMS):
        chunk = payable[n : n + MOST_ITEMS]
        step = f"{name}/{n}"
        made = await client.post("finance/maker", "subsidy", "/v1/payment-batches", {"claims": chunk}, step=step)
        path = f"/v1/payment-batches/{made.id}"
        await client.post("finance/releaser", "subsidy", f"{path}:release", step=f"{step}/release")
        results = {"results": [_result(claim_id, returned=claim_id in closed) for claim_id in chunk]}
        await client.post("finance/maker", "subsidy", f"{path}/results", results, step=f"{step}/results")


def _result(claim_id: str, *, returned: bool) -> dict[str, str]:
    if returned:
        return {"claim_id": claim_id, "outcome": "returned", "reason": "账户已销户"}
    return {"claim_id": claim_id, "outcome": "paid"}


async def _correct(client: Client, claim: Made) -> None:
    account = {"payee_account": account_body(claim.registered.founder.person.account)}
    path = f"/v1/claims/{claim.claim_id}/corrections"
    await client.post("app", "subsidy", path, account, step=f"returned/{claim.claim_id}")


async def recover(client: Client, made: list[Made], today: date) -> None:
    """What turns out to be paid wrongly is claimed back: by two people, in two instalments, to the cent."""

    async def one(claim: Made) -> None:
        step = f"recovery/{claim.claim_id}"
        asked = {"claim_id": claim.claim_id, "ground": "facts_untrue", "document": f"ZH-{today.year}-001"}
        opened = await client.post("finance/maker", "subsidy", "/v1/recoveries", asked, step=step)
        path = f"/v1/recoveries/{opened.id}"
        await client.post("finance/releaser", "subsidy", f"{path}:confirm", step=f"{step}/confirm")
        for n, amount in enumerate(INSTALMENTS):
            receipt = {"amount": amount, "reference": f"{opened.id}-{n}", "on": today.isoformat()}
            await client.post("finance/maker", "subsidy", f"{path}/instalments", receipt, step=f"{step}/{n}")

    await asyncio.gather(*(one(claim) for claim in made if claim.road is Road.RECOVERED))
