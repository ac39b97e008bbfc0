"""A bank's whitelist snapshots: signed, never changed, one a day, nobody else's."""

import asyncio
import json
from datetime import date
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from services.loans.api.snapshots import PURPOSE
from services.loans.domain.entry import WHITELIST, WhitelistRow, whitelist_key
from shared.values.ids import WhitelistEntryId, new_id, uuid7
from shared.web.signing.digests import sm3
from shared.web.signing.keys import public_key
from shared.web.signing.scribe import PlainHand
from shared.web.signing.statements import SignedStatement, verify_statement
from tests.integration.loans.conftest import Bank, Loans

PATH = "/v1/whitelist/snapshots"


async def call(loans: Loans, bank: Bank, method: str, path: str = PATH, status: int = 200) -> httpx.Response:
    answer = await loans.http.request(method, path, headers=bank.bearer, auth=loans.signing(bank.key))
    assert answer.status_code == status, answer.text
    return answer


def head_of(answer: httpx.Response) -> Any:
    return answer.json()["statement"]


async def list_more(pool: asyncpg.Pool, bank: str, until: date = date(2099, 3, 3)) -> None:
    key = whitelist_key(bank, new_id("per", uuid7()), new_id("org", uuid7()))
    row = msgspec.json.encode(WhitelistRow(WhitelistEntryId(new_id("wle", uuid7())), until))
    await pool.execute("insert into inline_row (view, key, value) values ($1, $2, $3)", WHITELIST, key, row)


async def test_a_snapshot_holds_what_checks_say_yes_to(
    loans: Loans, banks: dict[str, Bank], loans_pool: asyncpg.Pool
) -> None:
    await list_more(loans_pool, "demo-a")
    await list_more(loans_pool, "demo-a", date(2020, 1, 1))
    await list_more(loans_pool, "demo-a-other")
    head = head_of(await call(loans, banks["a"], "POST", status=201))
    content = (await call(loans, banks["a"], "GET", f"{PATH}/{head['id']}/content")).content
    items = json.loads(content)["items"]
    assert (head["entries"], len(items), head["bank"], head["hash"]) == (2, 2, "demo-a", "sm3")
    assert banks["a"].question.items() <= next(i for i in items if i["person_id"] == banks["a"].person).items()
    assert head["digest"] == sm3(content).hex()
    assert (await call(loans, banks["a"], "GET", f"/v1/whitelist/changes?since={head['position']}")).json()[
        "items"
    ] == []


async def test_its_head_is_signed_with_both_published_keys(loans: Loans, banks: dict[str, Bank]) -> None:
    raw = (await call(loans, banks["a"], "POST", status=201)).content
    statement = msgspec.json.decode(raw, type=SignedStatement)
    forged = msgspec.json.decode(raw.replace(b'"entries":1', b'"entries":9'), type=SignedStatement)
    keys = [public_key(jwk) for jwk in (await loans.http.get("/v1/signing-keys")).json()["keys"]]
    assert len(keys) == 2
    for key in keys:
        assert await verify_statement(PURPOSE, statement, key, PlainHand())
        assert not await verify_statement(PURPOSE, forged, key, PlainHand())
        assert not await verify_statement("something else", statement, key, PlainHand())


async def test_it_is_taken_once_a_day_and_never_changed(
    loans: Loans, banks: dict[str, Bank], loans_pool: asyncpg.Pool
) -> None:
    taken = await asyncio.gather(*(loans.http.post(PATH, headers=banks["a"].bearer, auth=loans.signing(banks["a"].key))
                                   for _ in range(6)))  # fmt: skip
    assert sorted(answer.status_code for answer in taken) == [200] * 5 + [201]
    assert len({answer.content for answer in taken}) == 1
    await list_more(loans_pool, "demo-a")
    head = head_of(taken[0])
    assert (await call(loans, banks["a"], "POST")).content == taken[0].content
    assert (await call(loans, banks["a"], "GET", f"{PATH}/{head['id']}")).content == taken[0].content
    assert (await call(loans, banks["a"], "GET")).json() == {"items": [taken[0].json()], "next": None}
    with pytest.raises(asyncpg.RaiseError, match="never changed"):
        await loans_pool.execute("update whitelist_snapshot set content = ''")


async def test_another_banks_snapshot_leads_nowhere(loans: Loans, banks: dict[str, Bank]) -> None:
    head = head_of(await call(loans, banks["a"], "POST", status=201))
    for path in (
        f"{PATH}/{head['id']}",
        f"{PATH}/{head['id']}/content",
        f"{PATH}/wls_1",
        f"{PATH}/{banks['a'].person}",
    ):
        await call(loans, banks["c"], "GET", path, 404)
    assert (await call(loans, banks["c"], "GET")).json()["items"] == []


async def test_a_bank_with_nothing_listed_gets_an_empty_snapshot(loans: Loans, banks: dict[str, Bank]) -> None:
    await loans.store.pool.execute("delete from inline_row")
    head = head_of(await call(loans, banks["c"], "POST", status=201))
    content = (await call(loans, banks["c"], "GET", f"{PATH}/{head['id']}/content")).content
    assert (head["entries"], content) == (0, b'{"items":[]}')
