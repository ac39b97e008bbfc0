"""A person is restricted and then erased: what was sealed goes dark everywhere, the proofs and histories stand."""

import asyncio
import os
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.local import settings
from deploy.local.client import Client
from deploy.local.clock import settle
from tests.e2e.caller import Caller, Minter
from tests.e2e.stories import broken, claim_body, trained
from tests.e2e.test_readme import BLOCK, ROOT

pytestmark = pytest.mark.stack

GUIDE = ROOT / "docs/guides/zh/个人信息与密钥.md"
GROUND = {"ground": "requested_by_person"}


async def keys_of(directory: Path, person_id: str) -> dict[str, bool]:
    """Which services hold a key of the person, and whether it can still be used."""
    found = {}
    for service in ("registry", "subsidy"):
        connection = await asyncpg.connect(settings.read(directory).databases[service])
        row = await connection.fetchrow("select wrapped from subject_key where subject = $1", person_id)
        await connection.close()
        if row is not None:
            found[service] = row["wrapped"] is not None
    return found


async def identity_rows(directory: Path, person_id: str) -> int:
    """How many keyed hashes lead to the person, and how many lead to nobody."""
    connection = await asyncpg.connect(settings.read(directory).databases["registry"])
    found: int = await connection.fetchval(
        "select count(*) from limit_unique where scope = 'person/identity' and (holder = $1 or holder is null)",
        person_id,
    )
    await connection.close()
    return found


async def statused(call: Caller, service: str, path: str, status: str) -> dict[str, Any]:
    """The resource once it has this status."""
    while True:
        shown: dict[str, Any] = (await call.get("auditor", service, path)).json()
        if shown["status"] == status:
            return shown
        await asyncio.sleep(0.1)


async def test_a_person_who_is_erased_goes_dark_in_every_service(
    client: Client, call: Caller, mint: Minter, directory: Path, now: datetime
) -> None:
    (person,) = await trained(client, directory, now, 1, 1)
    (project,) = person.certificates
    id, path = person.person_id, f"/v1/persons/{person.person_id}"
    claim = (await call.post("app", "subsidy", "/v1/claims", claim_body(person, project))).json()
    one, other = mint("city"), mint("city")

    assert (await call.post(other, "registry", f"{path}:erase")).json()["code"] == "not_restricted"
    assert (await call.post(one, "registry", f"{path}:restrict", GROUND)).json()["status"] == "restricted"
    same = await call.post(one, "registry", f"{path}:erase")
    assert (same.status_code, same.json()["code"]) == (403, "second_person_required")
    await settle(client)
    open_matters = await call.post(other, "registry", f"{path}:erase")
    assert (open_matters.json()["code"], open_matters.json()["open_matters"]) == ("matters_open", [claim["id"]])

    assert (await call.post("app", "subsidy", f"/v1/claims/{claim['id']}:withdraw")).status_code == 200
    await settle(client)
    again = await call.post("app", "subsidy", "/v1/claims", claim_body(person, project))
    assert (again.status_code, again.json()["code"]) == (409, "person_restricted")
    assert await keys_of(directory, id) == {"registry": True, "subsidy": True}

    assert (await call.post(other, "registry", f"{path}:erase")).json()["status"] == "erased"
    await settle(client)
    assert await keys_of(directory, id) == {"registry": False, "subsidy": False}
    number = {"identity_number": person.founder.person.identity_number}
    assert (await call.post("app", "registry", "/v1/persons:lookup", number)).status_code == 404
    assert await identity_rows(directory, id) == 0, "no keyed hash is left"
    service = mint("service:subsidy", kind="system")
    told = await call.post(
        service, "registry", "/v1/persons:disclose", {"person_ids": [id], "purpose": "case_handling"}
    )
    [shown] = told.json()["items"]
    assert (shown["name"], shown["masked_identity_number"]) == ("（已删除）", "（已删除）")

    registered = person.founder.person
    anew = await call.post(
        "app", "registry", "/v1/persons",
        {"name": registered.name, "identity_number": registered.identity_number, "mobile": registered.mobile},
    )  # fmt: skip
    assert anew.status_code == 201, "the number is free again"
    history = await call.get("auditor", "audit", f"/v1/claims/{claim['id']}/history")
    assert "个人信息已删除" in history.text
    assert await broken(client, directory) == []


async def test_the_record_of_a_payment_is_kept_for_as_long_as_the_law_asks(
    demonstrated: Any, client: Client, call: Caller, mint: Minter, directory: Path
) -> None:
    paid = (await call.get("auditor", "subsidy", "/v1/claims?status=paid&limit=1")).json()["items"][0]
    path = f"/v1/persons/{paid['person_id']}"
    await call.post(mint("city"), "registry", f"{path}:restrict", GROUND)
    await settle(client)
    decided = (await call.post(mint("city"), "registry", f"{path}:erase")).json()
    assert decided["status"] == "restricted"
    assert decided["retained_until"] == "2055-12-31", "thirty years after the accounting year of the payment"
    assert (await keys_of(directory, paid["person_id"])) == {"registry": True, "subsidy": True}
    lifted = await call.post(mint("city"), "registry", f"{path}:lift-restriction")
    assert lifted.json()["code"] == "erasure_decided"


def test_every_command_of_the_guide_does_what_it_says(demonstrated: Any, directory: Path) -> None:
    done = subprocess.run(
        ["sh", "-eu", "-c", "".join(BLOCK.findall(GUIDE.read_text(encoding="utf-8")))],
        env={**os.environ, "DIR": str(directory)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert '"purpose":"payee_check"' in done.stdout
    assert '"unreadable":0' in done.stdout
    assert "master.key.until-" in done.stdout


async def test_the_master_key_is_replaced_while_the_service_runs(
    demonstrated: Any, client: Client, call: Caller, mint: Minter, directory: Path
) -> None:
    path = "/v1/vault/master-key:rotate"
    assert (await call.post("city", "registry", path)).status_code == 403
    asked = await call.post("ops", "registry", path, idempotency_key="rotate-once")
    assert (asked.status_code, asked.headers["retry-after"]) == (202, "1")
    again = await call.post("ops", "registry", path, idempotency_key="rotate-once")
    assert again.headers["location"] == asked.headers["location"]
    assert (await call.get("auditor", "registry", asked.headers["location"])).status_code == 200
    assert (await call.get("policy", "registry", asked.headers["location"])).status_code == 404
    ended = await statused(call, "registry", asked.headers["location"], "succeeded")
    assert ended["result"]["rewrapped"] > 20
    assert ended["result"]["unreadable"] == 0
    assert await broken(client, directory) == []
