"""Whitelists: carriers recommend with consent, a district reviews, banks check, a consent is taken back."""

import asyncio
from datetime import date, timedelta

from deploy.local.client import Client
from deploy.local.clock import settle
from deploy.local.demo.training import Registered
from deploy.local.failures import StackFailed
from shared.testing.city import City, Road
from shared.web.signing.digests import sm3

BANKS = ("demo-a", "demo-b")
OTHER_BANK = "demo-c"


async def recommend(client: Client, city: City, founders: list[Registered], today: date) -> int:
    """Recommend paid founders, check them as a bank does, and end one entry; returns how many are in effect."""
    chosen = [item for item in founders if item.founder.road is Road.PAID]
    shares = {carrier: chosen[n :: len(city.carriers)] for n, carrier in enumerate(city.carriers)}
    listed: list[tuple[Registered, str, str]] = []
    for found in await asyncio.gather(
        *(
            _batch(client, carrier.code, carrier.district.value, share, today)
            for carrier, share in shares.items()
            if share
        )
    ):
        listed += found
    for registered, _, _ in listed:
        await _check(client, BANKS[0], registered, expected=True)
        await _check(client, OTHER_BANK, registered, expected=False)
    await asyncio.gather(*(_snapshot(client, bank) for bank in (*BANKS, OTHER_BANK)))
    if len(listed) > 1:
        await _take_back_consent(client, *listed[-1][::2])
        return len(listed) - 1
    return len(listed)


async def _batch(
    client: Client, carrier: str, district: str, share: list[Registered], today: date
) -> list[tuple[Registered, str, str]]:
    """One batch from consent to effect; returns founder, entry and consent of each entry in effect."""
    consents = await asyncio.gather(
        *(
            client.post(
                "app",
                "registry",
                "/v1/consents",
                {"person_id": item.person_id, "purpose": "whitelist_recommendation", "recipient": "banks"},
                step=f"consent/{item.person_id}",
            )
            for item in share
        )
    )
    entries = [
        {
            "person_id": item.person_id,
            "organisation_id": item.organisation_id,
            "certificate_no": next(iter(item.certificates.values())),
            "consent_id": consent.id,
        }
        for item, consent in zip(share, consents, strict=True)
    ]
    body = {
        "bank_codes": list(BANKS),
        "valid_until": (today + timedelta(days=365)).isoformat(),
        "entries": entries,
    }
    step = f"whitelist/{carrier}"
    made = await client.post(f"carrier:{carrier}", "loans", "/v1/whitelist/batches", body, step=step)
    path = f"/v1/whitelist/batches/{made.id}"
    approve = {"decision": "approve"}
    await client.post(f"district:{district}/reviewer", "loans", f"{path}/review", approve, step=f"{step}/review")
    approved = await client.post(
        f"district:{district}/approver", "loans", f"{path}/approval", approve, step=f"{step}/approval"
    )
    in_effect = {
        entry["person_id"]: str(entry["id"]) for entry in approved.body["entries"] if entry["status"] == "in_effect"
    }
    return [
        (item, in_effect[item.person_id], consent.id)
        for item, consent in zip(share, consents, strict=True)
        if item.person_id in in_effect
    ]


async def _check(client: Client, bank: str, registered: Registered, *, expected: bool) -> None:
    """What a bank asks before it lends. Raises StackFailed when the answer is wrong."""
    question = {"person_id": registered.person_id, "organisation_id": registered.organisation_id}
    step = f"check/{bank}/{registered.person_id}/{expected}"
    answer = await client.post(f"bank:{bank}", "loans", "/v1/whitelist/check", question, step=step)
    if answer.body["listed"] is not expected:
        raise StackFailed(f"bank {bank} was told listed={answer.body['listed']} where {expected} is right")


async def _snapshot(client: Client, bank: str) -> None:
    """A bank takes today's snapshot of its whitelist. Raises StackFailed when it is not what its head says."""
    path = "/v1/whitelist/snapshots"
    head = (await client.post(f"bank:{bank}", "loans", path, step=f"snapshot/{bank}")).body["statement"]
    content = await client.get(f"bank:{bank}", "loans", f"{path}/{head['id']}/content")
    if sm3(content.content).hex() != head["digest"] or len(content.body["items"]) != head["entries"]:
        raise StackFailed(f"the snapshot {head['id']} of bank {bank} is not what its head says")


async def _take_back_consent(client: Client, registered: Registered, consent_id: str) -> None:
    """Withdrawing the consent withdraws the entry.   (个人信息保护法 art. 15)"""
    body = {"person_id": registered.person_id}
    await client.post("app", "registry", f"/v1/consents/{consent_id}:withdraw", body, step=f"withdraw/{consent_id}")
    await settle(client)
    await _check(client, BANKS[0], registered, expected=False)
