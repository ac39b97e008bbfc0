"""What an erased person leaves behind: boxes that no key opens, and a history that is whole all the same."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec
import pytest

from deploy.local import settings
from deploy.local.client import Client
from deploy.local.clock import settle
from deploy.local.demo.training import Registered
from shared.eventstore.record import parse
from shared.values.personal import Sealed
from shared.vault.boxes import Unreadable
from shared.vault.keys import unseal
from shared.vault.master import FileMasterKey
from tests.e2e.caller import Caller, Minter
from tests.e2e.stories import broken, claim_body, trained
from tests.e2e.test_history import SOURCES, run

pytestmark = pytest.mark.stack

GONE = "（已删除）"
APPROVE = {"decision": "approve"}


class Box(NamedTuple):
    """A sealed field, and where it was found."""

    place: str
    event_id: UUID
    sealed: Sealed[Any]


def boxes_in(place: str, event_id: UUID, value: Any) -> Iterator[Box]:
    """Every sealed field of a payload, however deep."""
    match value:
        case {"subject": _, "alg": _, "field": _, "box": _}:
            yield Box(place, event_id, msgspec.convert(value, Sealed[Any]))
        case dict():
            for inner in value.values():
                yield from boxes_in(place, event_id, inner)
        case list():
            for inner in value:
                yield from boxes_in(place, event_id, inner)


async def boxes_of(directory: Path, person: str) -> list[Box]:
    """What was sealed for a person, in every service's events and in audit's archive."""
    found: list[Box] = []
    for service, database in settings.read(directory).databases.items():
        connection = await asyncpg.connect(database)
        for row in await connection.fetch("select id, payload from event"):
            found += boxes_in(service, row["id"], msgspec.json.decode(row["payload"]))
        if service == "audit":
            for row in await connection.fetch("select record from archive"):
                record = parse(row["record"])
                found += boxes_in("archive", record.id, msgspec.json.decode(record.payload))
        await connection.close()
    return [box for box in found if box.sealed.subject == person]


async def keys_left(directory: Path) -> list[bytes]:
    """Every key that is left: those of all subjects in all services, and the master keys themselves."""
    stack, keys = settings.read(directory), list[bytes]()
    for service, database in stack.databases.items():
        path = stack.secret(service, "master.key")
        master = FileMasterKey(path)
        keys += [file.read_bytes() for file in path.parent.glob("master*.key*")]
        connection = await asyncpg.connect(database)
        for row in await connection.fetch("select subject, wrapped from subject_key where wrapped is not null"):
            keys.append(master.unwrap(row["wrapped"], row["subject"]))
        await connection.close()
    return keys


def opened(boxes: Iterable[Box], keys: list[bytes]) -> dict[Box, str]:
    """What of these any key opens."""
    found = {}
    for box in boxes:
        for key in keys:
            try:
                found[box] = str(unseal(key, box.sealed, box.event_id))
            except Unreadable:
                continue
    return found


async def noticed(call: Caller, client: Client, person: Registered) -> tuple[str, str]:
    """A claim that is in public notice, and the notice."""
    (project,) = person.certificates
    claim = (await call.post("app", "subsidy", "/v1/claims", claim_body(person, project))).json()
    await settle(client)
    reviewer, approver = (f"district:{claim['review_district']}/{part}" for part in ("reviewer", "approver"))
    path = f"/v1/claims/{claim['id']}"
    for role, step in ((reviewer, "review"), (approver, "approval")):
        decided = await call.post(role, "subsidy", f"{path}/{step}", APPROVE)
        assert decided.status_code == 200, decided.text
    drafted = await call.post(approver, "subsidy", "/v1/notices", {"claims": [claim["id"]]})
    assert drafted.status_code == 201, drafted.text
    notice: str = drafted.json()["id"]
    assert (await call.post(approver, "subsidy", f"/v1/notices/{notice}:publish")).status_code == 200
    await settle(client)
    return claim["id"], notice


async def shown(call: Caller, notice: str) -> list[str]:
    """The names and numbers that the public page shows of a notice."""
    items = (await call.get(None, "subsidy", "/notices?format=json")).json()["items"]
    [found] = [item for item in items if item["id"] == notice]
    return [text for entry in found["entries"] for text in (entry["name"], entry["masked_identity_number"])]


async def erase(call: Caller, client: Client, mint: Minter, person: str) -> None:
    path = f"/v1/persons/{person}"
    restricted = await call.post(mint("city"), "registry", f"{path}:restrict", {"ground": "requested_by_person"})
    assert restricted.status_code == 200, restricted.text
    early = await call.post(mint("city"), "registry", f"{path}:erase")
    assert early.status_code in (200, 503), "503 until the restriction has reached whoever may have to keep something"
    await settle(client)
    erased = await call.post(mint("city"), "registry", f"{path}:erase")
    assert erased.json().get("status") == "erased" or early.status_code == 200, erased.text
    await settle(client)


async def histories(claim: str, directory: Path) -> list[Any]:
    """What `huchuang history` tells, from each source."""
    asked = [run("history", claim, "--data", str(directory), "--from", source, "--json") for source in SOURCES]
    said = await asyncio.gather(*asked)
    assert [process.returncode for process in said] == [0, 0, 0], said[0].stderr
    return [json.loads(process.stdout) for process in said]


async def test_after_an_erasure_nothing_opens_and_everything_still_holds(
    client: Client, call: Caller, mint: Minter, directory: Path, now: datetime
) -> None:
    gone, stays = await trained(client, directory, now, 2, 1)
    (claim, notice), (_, other_notice) = [await noticed(call, client, person) for person in (gone, stays)]
    name = gone.founder.person.name
    before = await boxes_of(directory, gone.person_id)
    could = opened(before, await keys_left(directory))
    assert {box.place for box in before} == {"registry", "subsidy", "archive"}
    assert len(could) == len(before), "what nothing opened beforehand would prove nothing"
    assert name in could.values()
    visible = await shown(call, notice)
    assert GONE not in visible

    withdrawn = await call.post("app", "subsidy", f"/v1/claims/{claim}:withdraw", idempotency_key="e2e-dark")
    assert withdrawn.json()["status"] == "withdrawn"
    await settle(client)
    told_before = (await histories(claim, directory))[0]
    await erase(call, client, mint, gone.person_id)

    boxes, keys = await boxes_of(directory, gone.person_id), await keys_left(directory)
    assert {(box.place, box.sealed.box) for box in before} <= {(box.place, box.sealed.box) for box in boxes}
    assert opened(boxes, keys) == {}
    others = await boxes_of(directory, stays.person_id)
    assert len(opened(others, keys)) == len(others) > 0
    assert visible
    assert await shown(call, notice) == [], "the line left the page with its claim"
    assert GONE not in await shown(call, other_notice)
    again = await call.post("app", "subsidy", f"/v1/claims/{claim}:withdraw", idempotency_key="e2e-dark")
    assert (again.status_code, again.content) == (200, withdrawn.content)

    told = await histories(claim, directory)
    assert told[0] == told[1] == told[2]
    assert [item for item in told[0]["items"] if item in told_before["items"]] == told_before["items"]
    proven = await run("verify", claim, "--data", str(directory))
    assert proven.returncode == 0, proven.stdout + proven.stderr
    listed = await everything_listed(client)
    for service in ("subsidy", "registry"):
        rebuilt = await run("rebuild", service, "listing", "--data", str(directory))
        assert rebuilt.returncode == 0, rebuilt.stderr
    assert await everything_listed(client) == listed
    assert visible
    assert await shown(call, notice) == [], "the line left the page with its claim"
    assert await broken(client, directory) == []


async def everything_listed(client: Client) -> list[list[Any]]:
    return [
        await client.all("auditor", "subsidy", "/v1/claims"),
        await client.all("auditor", "subsidy", "/v1/notices"),
        await client.all("auditor", "registry", "/v1/organisations"),
    ]
