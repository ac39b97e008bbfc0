"""ETags: who has the newest version is told so, and who decides on an older one is refused.   (RFC 9110)"""

from datetime import datetime
from pathlib import Path

import pytest

from deploy.local.client import Client
from deploy.local.clock import settle
from tests.e2e.caller import Caller
from tests.e2e.stories import claim_body, trained

pytestmark = pytest.mark.stack

APPROVE = {"decision": "approve"}


async def test_a_reviewer_decides_on_the_version_that_he_has_read(
    client: Client, call: Caller, directory: Path, now: datetime
) -> None:
    (person,) = await trained(client, directory, now, 1, 1)
    (project,) = person.certificates
    made = await call.post("app", "subsidy", "/v1/claims", claim_body(person, project))
    path, seen_first = f"/v1/claims/{made.json()['id']}", made.headers["etag"]
    await settle(client)

    read = await call.get("auditor", "subsidy", path)
    assert read.headers["etag"] != seen_first, "the payee has been checked since"
    held = await call.get("auditor", "subsidy", path, if_none_match=f'"0", W/{read.headers["etag"]}')
    assert (held.status_code, held.content, held.headers["etag"]) == (304, b"", read.headers["etag"])
    assert (await call.get("auditor", "subsidy", path, if_none_match=seen_first)).status_code == 200

    reviewer = f"district:{read.json()['review_district']}/reviewer"
    stale = await call.post(reviewer, "subsidy", f"{path}/review", APPROVE, if_match=seen_first)
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert f'"{stale.json()["version"]}"' == read.headers["etag"]
    assert (await call.get("auditor", "subsidy", path)).json()["status"] == "submitted"
    decided = await call.post(reviewer, "subsidy", f"{path}/review", APPROVE, if_match=read.headers["etag"])
    assert (decided.status_code, decided.json()["status"]) == (200, "under_review")
