"""Whoever is restricted is recommended to no bank any more, whatever list he stood on.   (个人信息保护法 art. 47)"""

import asyncio
from typing import Any

import pytest

from deploy.local.client import Client
from deploy.local.clock import settle
from tests.e2e.caller import Caller, Minter

pytestmark = pytest.mark.stack


async def test_a_restricted_person_leaves_the_whitelist(
    demonstrated: Any, client: Client, call: Caller, mint: Minter
) -> None:
    listed = (await call.get("city", "loans", "/v1/whitelist/entries?status=in_effect&limit=1")).json()["items"]
    [entry] = listed
    path = f"/v1/persons/{entry['person_id']}"
    assert (await call.post(mint("city"), "registry", f"{path}:restrict", {"ground": "requested_by_person"})).is_success
    await settle(client)
    shown = (await call.get("city", "loans", f"/v1/whitelist/entries/{entry['id']}")).json()
    assert shown["status"] == "revoked"
    question = {"person_id": entry["person_id"], "organisation_id": entry["organisation_id"]}
    banks = ("bank:demo-a", "bank:demo-b", "bank:demo-c")
    told = await asyncio.gather(*(call.post(bank, "loans", "/v1/whitelist/check", question) for bank in banks))
    assert [answer.json()["listed"] for answer in told] == [False, False, False]
