"""Claims on all their roads: submission by both channels, screening, correction, review, approval, rejection."""

import asyncio
from typing import Any

import msgspec

from deploy.local.client import Answer, Client
from deploy.local.demo.training import Registered
from shared.testing.city import Account, ClaimPlan, Road

PROGRAMME = "training-fee-subsidy"
PAUSE = 0.1


class Made(msgspec.Struct, frozen=True):
    """A claim of a founder as it was accepted."""

    registered: Registered
    claim_id: str
    district: str

    @property
    def road(self) -> Road:
        return self.registered.founder.road


async def submit_all(client: Client, founders: list[Registered]) -> list[Made]:
    """Submit every planned claim; those of one founder at the same moment."""
    made = await asyncio.gather(*(_submit_of(client, founder) for founder in founders))
    return [claim for claims in made for claim in claims]


async def _submit_of(client: Client, registered: Registered) -> list[Made]:
    answers = await asyncio.gather(*(_submit(client, registered, plan) for plan in registered.founder.claims))
    return [Made(registered, answer.id, answer.body["review_district"]) for answer in answers if answer.status == 201]


async def _submit(client: Client, registered: Registered, plan: ClaimPlan) -> Answer:
    """One claim. 409 is an answer too: the same project by app and window at once leaves one claim."""
    founder = registered.founder
    body = {
        "programme": PROGRAMME,
        "person_id": registered.person_id,
        "organisation_id": registered.organisation_id,
        "certificate_no": registered.certificates[plan.project],
        "payee_account": account_body(founder.first_account or founder.person.account),
        "channel": plan.channel.value,
        "accepting_district": plan.accepting_district.value,
    }
    role = "app" if plan.channel.value == "app" else f"district:{plan.accepting_district.value}/reviewer"
    step = f"claim/{founder.person.index}/{plan.project}/{plan.channel}"
    return await client.post(role, "subsidy", "/v1/claims", body, step=step, expect=(409,))


def account_body(account: Account) -> dict[str, str]:
    return {
        "kind": account.kind.value,
        "holder": account.holder,
        "number": account.number,
        "bank": account.bank,
    }


async def review_all(client: Client, claims: list[Made]) -> None:
    """Bring every claim to an approval or a signed rejection, each by the staff of its own district.

    Those that no policy version judges wait.
    """
    await asyncio.gather(*(_review(client, claim) for claim in claims))


async def _review(client: Client, claim: Made) -> None:
    shown = await _screened(client, claim)
    if claim.road is Road.WAITING:
        return
    if _failed(shown) == ["收款账户为本人账户"] and claim.road is Road.CORRECTED:
        await _correct(client, claim)
        shown = await _screened(client, claim)
    reviewer, approver = f"district:{claim.district}/reviewer", f"district:{claim.district}/approver"
    failed = _failed(shown)
    decision = {"decision": "reject", "reasons": failed} if failed else {"decision": "approve", "reasons": []}
    path = f"/v1/claims/{claim.claim_id}"
    await client.post(reviewer, "subsidy", f"{path}/review", decision, step=f"review/{claim.claim_id}")
    if not failed:
        approval = {"decision": "approve"}
        await client.post(approver, "subsidy", f"{path}/approval", approval, step=f"approval/{claim.claim_id}")


async def _correct(client: Client, claim: Made) -> None:
    path, n = f"/v1/claims/{claim.claim_id}", claim.claim_id
    asked = {"decision": "request_correction", "reasons": ["收款账户须为申请人本人账户"]}
    await client.post(f"district:{claim.district}/reviewer", "subsidy", f"{path}/review", asked, step=f"ask/{n}")
    account = {"payee_account": account_body(claim.registered.founder.person.account)}
    await client.post("app", "subsidy", f"{path}/corrections", account, step=f"correct/{n}")


async def _screened(client: Client, claim: Made) -> dict[str, Any]:
    """The claim once every rule is decided: registry has answered about the payee."""
    while True:
        shown: dict[str, Any] = (await client.get("auditor", "subsidy", f"/v1/claims/{claim.claim_id}")).body
        if all(rule["passed"] is not None for rule in shown["screening"]):
            return shown
        await asyncio.sleep(PAUSE)


def _failed(shown: dict[str, Any]) -> list[str]:
    return [rule["text"] for rule in shown["screening"] if rule["passed"] is False]
