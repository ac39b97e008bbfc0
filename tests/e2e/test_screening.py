"""A screening explains itself to whoever may see the claim, and comes out the same when it is judged again."""

import asyncio
import re

import pytest

from deploy.local.client import Client
from deploy.local.clock import settle
from deploy.local.demo.run import Outcome
from shared.values.districts import District
from tests.e2e.caller import Caller
from tests.e2e.operations import new_id

pytestmark = pytest.mark.stack

TOLD_BY = re.compile(r"(crt|org|per)_[0-9a-f-]{36}@[0-9]+")


@pytest.mark.clause("B-10")
@pytest.mark.clause("B-15")
async def test_every_screening_of_the_demo_is_explained_and_reproduced(
    demonstrated: Outcome, client: Client, call: Caller
) -> None:
    await settle(client)
    claims = [claim for claim in await client.all("city", "subsidy", "/v1/claims") if claim["screening"]]
    assert claims
    answers = await asyncio.gather(
        *(call.get("auditor", "subsidy", f"/v1/claims/{claim['id']}/screening") for claim in claims)
    )
    for claim, answer in zip(claims, answers, strict=True):
        told = answer.json()
        assert (answer.status_code, told["reproduced"]) == (200, True)
        rules = told["rules"]
        assert [rule["rule"] for rule in rules] == [rule["rule"] for rule in claim["screening"]]
        assert all(rule["clause"] and rule["text"] and rule["sentence"].endswith("。") for rule in rules)
        told_by = {fact["source"]: fact["told_by"] for rule in rules for fact in rule["facts"]}
        assert told_by.pop("claim") is None
        assert all(TOLD_BY.fullmatch(source) for source in told_by.values())


async def test_a_screening_is_seen_by_those_who_see_the_claim(
    demonstrated: Outcome, client: Client, call: Caller
) -> None:
    claim = (await client.all("city", "subsidy", "/v1/claims"))[0]
    path = f"/v1/claims/{claim['id']}/screening"
    own = {claim["review_district"], claim["accepting_district"]}
    other = next(district.value for district in District if district.value not in own)
    seen = await call.get(f"district:{claim['review_district']}/reviewer", "subsidy", path)
    assert (seen.status_code, seen.json()["claim_id"]) == (200, claim["id"])
    kept = await call.get("auditor", "subsidy", path, if_none_match=seen.headers["etag"])
    assert kept.status_code == 304
    assert (await call.get(f"district:{other}/reviewer", "subsidy", path)).status_code == 404
    assert (await call.get("policy", "subsidy", path)).status_code == 403
    own_app = await call.get("app", "subsidy", path, on_behalf_of=claim["person_id"])
    another = await call.get("app", "subsidy", path, on_behalf_of=new_id("per"))
    assert (own_app.status_code, another.status_code) == (200, 403)
    unknown = await call.get("auditor", "subsidy", f"/v1/claims/{new_id('clm')}/screening")
    assert unknown.status_code == 404
