"""From approval to the account: public notices over a holiday, objections, payment batches by two people."""

import asyncio
from datetime import date, datetime, time, timedelta

from deploy.local.client import Client
from deploy.local.clock import advance
from deploy.local.demo.claims import Made
from shared.testing.city import Road
from shared.values.calendar import add_working_days, is_working_day
from shared.values.clocks import SHANGHAI

NOTICE_DAYS = 5
MOST_ITEMS = 200


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


async def pay(client: Client, payable: list[str]) -> None:
    """One person makes each batch, another releases it, and the bank's results come in."""
    for n in range(0, len(payable), MOST_ITEMS):
        chunk = payable[n : n + MOST_ITEMS]
        step = f"batch/{n}"
        made = await client.post("finance/maker", "subsidy", "/v1/payment-batches", {"claims": chunk}, step=step)
        path = f"/v1/payment-batches/{made.id}"
        await client.post("finance/releaser", "subsidy", f"{path}:release", step=f"{step}/release")
        results = {"results": [{"claim_id": claim_id, "outcome": "paid"} for claim_id in chunk]}
        await client.post("finance/maker", "subsidy", f"{path}/results", results, step=f"{step}/results")
