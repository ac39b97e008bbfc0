"""People who may claim and be recommended, and claims to be noticed, so that sequences get past the first refusal."""

import json
from datetime import date, timedelta
from pathlib import Path

from deploy.local.client import Client
from deploy.local.clock import now_of, progress_of
from deploy.local.demo.claims import review_all, submit_all
from deploy.local.demo.training import Registered
from deploy.local.endpoints import Endpoints
from shared.values.calendar import shanghai_date
from tests.e2e.fuzzing.realism import Preparations, Prepared
from tests.e2e.operations import POLICY
from tests.e2e.stories import claim_body, trained

EACH = 20
"""How many of a kind."""


async def preparations(endpoints: Endpoints, directory: Path) -> Preparations:
    """Bodies that will be taken."""
    async with Client(endpoints, "fuzz") as client:
        now = now_of(await progress_of(client))
        people = await trained(client, directory, now, 3 * EACH, 1)
        claiming, recommended, noticed = people[:EACH], people[EACH : 2 * EACH], people[2 * EACH :]
        batches = [await _batch(client, one, shanghai_date(now)) for one in recommended]
        approved = await submit_all(client, noticed)
        await review_all(client, approved)
    policy = json.loads(POLICY.read_bytes())
    return {
        "submitClaim": [Prepared(claim_body(one, next(iter(one.certificates)))) for one in claiming],
        "recommendWhitelistBatch": batches,
        "draftNotice": [Prepared({"claims": [claim.claim_id]}, claim.district) for claim in approved],
        "draftPolicy": [Prepared({**policy, "version": f"fuzz-{number}"}) for number in range(EACH)],
    }


async def _batch(client: Client, one: Registered, today: date) -> Prepared:
    body = {"person_id": one.person_id, "purpose": "whitelist_recommendation", "recipient": "banks"}
    consent = await client.post("app", "registry", "/v1/consents", body, step=f"consent/{one.person_id}")
    entry = {
        "person_id": one.person_id,
        "organisation_id": one.organisation_id,
        "consent_id": consent.id,
        "certificate_no": next(iter(one.certificates.values())),
    }
    until = (today + timedelta(days=180)).isoformat()
    return Prepared({"bank_codes": ["demo-a"], "valid_until": until, "entries": [entry]})
