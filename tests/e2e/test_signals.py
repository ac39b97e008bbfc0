"""Signals beside a claim: seen by those who decide, and only by them; an account is known by its hash alone."""

from datetime import datetime
from pathlib import Path

import pytest

from deploy.local.client import Client
from deploy.local.clock import settle
from tests.e2e.caller import Caller
from tests.e2e.operations import new_id
from tests.e2e.stories import claim_body, trained

pytestmark = pytest.mark.stack


@pytest.mark.clause("B-19")
async def test_one_account_of_two_people_is_a_signal_on_both_claims(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    one, other = await trained(client, directory, now, 2, 1)
    bodies = [claim_body(person, *person.certificates) for person in (one, other)]
    bodies[1]["payee_account"] = {**bodies[1]["payee_account"], "number": bodies[0]["payee_account"]["number"]}
    claims = [(await call.post("app", "subsidy", "/v1/claims", body)).json() for body in bodies]
    await settle(client)
    for mine, theirs in (claims, claims[::-1]):
        path = f"/v1/claims/{mine['id']}/signals"
        told = (await call.get(f"district:{mine['review_district']}/reviewer", "subsidy", path)).json()
        [shared] = [signal for signal in told["signals"] if signal["kind"] == "account_shared"]
        assert (shared["claims"], shared["figures"]) == ([theirs["id"]], {"persons": 1, "claims": 1})
        assert (await call.get("app", "subsidy", path)).status_code == 403
        shown = (await call.get("city", "subsidy", f"/v1/claims/{mine['id']}")).json()
        assert (shown["status"], shown["holds"]) == ("submitted", [])
    unknown = await call.get("city", "subsidy", f"/v1/claims/{new_id('clm')}/signals")
    assert unknown.status_code == 404
