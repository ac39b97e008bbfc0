"""Every look at personal data is on record: who, whose, what and why."""

from typing import Any

import pytest

from tests.e2e.caller import Caller

pytestmark = pytest.mark.stack

LOG = "/v1/access-log"


async def test_the_looks_at_one_person_are_found_page_by_page(demonstrated: Any, call: Caller) -> None:
    paid = (await call.get("auditor", "subsidy", "/v1/claims?status=paid&limit=1")).json()["items"][0]
    of_person = (await call.get("auditor", "audit", f"{LOG}?person_id={paid['person_id']}")).json()["items"]
    assert {"payee_check", "public_notice"} <= {look["purpose"] for look in of_person}
    assert all(paid["person_id"] in look["person_ids"] for look in of_person)
    assert {look["client"] for look in of_person} >= {"service:subsidy"}

    first = await call.get("auditor", "audit", f"{LOG}?purpose=payee_check&limit=2")
    assert 'rel="next"' in first.headers["link"]
    assert f"purpose=payee_check&limit=2&cursor={first.json()['next']}" in first.headers["link"]
    second = (
        await call.get("auditor", "audit", f"{LOG}?purpose=payee_check&limit=2&cursor={first.json()['next']}")
    ).json()
    seen = [*first.json()["items"], *second["items"]]
    assert [look["purpose"] for look in seen] == ["payee_check"] * 4
    assert [look["recorded_at"] for look in seen] == sorted((look["recorded_at"] for look in seen), reverse=True)


async def test_only_the_auditor_reads_it(call: Caller) -> None:
    for role in ("ops", "city", "finance/maker"):
        assert (await call.get(role, "audit", LOG)).status_code == 403
    assert (await call.get("auditor", "audit", f"{LOG}?person_id=somebody")).status_code == 422
