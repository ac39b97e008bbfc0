"""`/oauth2/token`: who gets a token, and that nobody else learns anything."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey

from services.registry.tokens.assertions import claimed, verified
from tests.integration.registry.conftest import AUDIENCE, AUTHORITY, GRANT, Bank, Staff


def refused(answer: httpx.Response, error: str = "invalid_client") -> None:
    """As RFC 6749 section 5.2 has it, and every `invalid_client` the same."""
    assert (answer.status_code, answer.json()["error"]) == (401 if error == "invalid_client" else 400, error)
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"error", "error_description"}
    if error == "invalid_client":
        assert answer.json()["error_description"] == "the client assertion does not hold"
        assert "www-authenticate" in answer.headers


async def test_an_approved_client_gets_a_token_for_ten_minutes(bank: Bank, staff: Staff) -> None:
    await staff.approved(bank)
    answer = await bank.ask()
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 600, "bank:demo-a")
    keys = KeySet.import_key_set((await bank.http.get("/jwks")).json())
    assert all("d" not in key for key in (await bank.http.get("/jwks")).json()["keys"])
    token = jwt.decode(body["access_token"], keys, algorithms=["Ed25519"])
    assert token.header["typ"] == "at+jwt"
    claims = token.claims
    assert (claims["iss"], claims["aud"]) == (AUTHORITY, AUDIENCE)
    assert claims["sub"] == claims["client_id"] == "bank:demo-a"
    assert (claims["roles"], claims["scope"]) == (["bank:demo-a"], "bank:demo-a")
    assert claims["exp"] - claims["iat"] == 600
    assert claims["jti"]


async def test_es256_is_as_good_and_so_is_the_issuer_as_audience(http: httpx.AsyncClient, staff: Staff) -> None:
    bank = Bank(http, ECKey.generate_key("P-256", {"kid": "ec-1"}))
    await staff.approved(bank)
    assert (await bank.ask(bank.assertion(aud=AUTHORITY))).status_code == 200
    assert (await bank.ask(bank.assertion(aud=["x", AUTHORITY]))).status_code == 200


STRANGER = OKPKey.generate_key("Ed25519", {"kid": "bank-1"})


@pytest.mark.parametrize(
    "changes",
    [
        {"key": STRANGER},
        {"aud": "https://other.example"},
        {"aud": None},
        {"iss": "bank:demo-b"},
        {"sub": "bank:demo-b"},
        {"exp": int(time.time()) - 1},
        {"exp": int(time.time()) + 3600},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": int(time.time()) + 3600},
        {"iat": int(time.time()) + 3600},
        {"jti": None},
        {"jti": 7},
        {"jti": ""},
        {"jti": "x" * 256},
        {"header": {"kid": "bank-9"}},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_an_assertion_that_does_not_hold_buys_nothing(bank: Bank, staff: Staff, changes: dict[str, Any]) -> None:
    await staff.approved(bank)
    refused(await bank.ask(bank.assertion(**changes)))
    assert (await bank.ask()).status_code == 200


async def test_an_assertion_is_good_for_one_token(bank: Bank, staff: Staff) -> None:
    await staff.approved(bank)
    once = bank.assertion()
    assert (await bank.ask(once)).status_code == 200
    refused(await bank.ask(once))
    again = bank.assertion(jti="same")
    assert (await bank.ask(again)).status_code == 200
    refused(await bank.ask(bank.assertion(jti="same", exp=int(time.time()) + 120)))


async def test_an_unsigned_assertion_and_a_public_key_as_a_secret_are_refused(bank: Bank, staff: Staff) -> None:
    await staff.approved(bank)
    head, body, _ = bank.assertion().split(".")
    none = "eyJhbGciOiJub25lIiwia2lkIjoiYmFuay0xIn0"
    for bad in (f"{none}.{body}.", f"{head}.{body}.", "a.b.c", "x", "", "。。。", "e30.e30.e30", "." * 20, "x" * 9000):
        sent = {**GRANT, "client_assertion": bad or "."}
        refused(await bank.http.post("/oauth2/token", data=sent))
    secret = OctKey.import_key(bank.jwk["x"])
    claims = {"iss": bank.name, "sub": bank.name, "aud": AUTHORITY, "exp": int(time.time()) + 60, "jti": "1"}
    confused = jwt.encode({"alg": "HS256", "kid": "bank-1"}, claims, secret, algorithms=["HS256"])
    refused(await bank.ask(confused))


async def test_nothing_tells_whether_there_is_such_a_client(bank: Bank, staff: Staff) -> None:
    await staff.approved(bank)
    known = await bank.ask(bank.assertion(key=STRANGER))
    unknown = await bank.ask(bank.assertion(key=STRANGER, iss="bank:demo-z", sub="bank:demo-z"))
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert {*known.headers} == {*unknown.headers}


async def test_for_an_unknown_client_a_signature_is_verified_all_the_same(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = bank.assertion()
    times: list[int] = []
    said = claimed(text)
    assert said is not None
    decode = jwt.decode

    def counted(*given: Any, **named: Any) -> Any:
        times.append(1)
        return decode(*given, **named)

    monkeypatch.setattr(jwt, "decode", counted)
    assert verified(text, said, None, [AUTHORITY]) is None
    assert times == [1]


async def test_no_key_works_before_a_second_person_has_approved(bank: Bank, staff: Staff) -> None:
    await staff.requested(bank)
    refused(await bank.ask())
    own = await staff.post("ann/ops", f"/v1/clients/{bank.id}:approve")
    assert (own.status_code, own.json()["code"]) == (403, "second_person_required")
    refused(await bank.ask())
    assert (await staff.post("bo/city", f"/v1/clients/{bank.id}:approve")).status_code == 200
    assert (await bank.ask()).status_code == 200


async def test_a_later_key_waits_for_its_second_person_and_a_revoked_one_is_over(bank: Bank, staff: Staff) -> None:
    await staff.approved(bank)
    later = Bank(bank.http, OKPKey.generate_key("Ed25519", {"kid": "bank-2"}))
    path = f"/v1/clients/{bank.id}/keys"
    handed_in = await staff.post("ann/ops", path, {"use": "token", "public_key": later.jwk})
    assert handed_in.status_code == 201, handed_in.text
    refused(await later.ask())
    assert (await staff.post("ann/ops", f"{path}/bank-2:approve")).status_code == 403
    assert (await staff.post("bo/city", f"{path}/bank-2:approve")).status_code == 200
    assert (await later.ask()).status_code == 200
    assert (await staff.post("ann/ops", f"{path}/bank-1:revoke")).status_code == 200
    refused(await bank.ask())
    assert (await later.ask()).status_code == 200


async def test_a_key_for_signatures_buys_no_token(bank: Bank, staff: Staff) -> None:
    await staff.approved(bank)
    signing = Bank(bank.http, OKPKey.generate_key("Ed25519", {"kid": "sign-1"}))
    path = f"/v1/clients/{bank.id}/keys"
    await staff.post("ann/ops", path, {"use": "signature", "public_key": signing.jwk})
    assert (await staff.post("bo/city", f"{path}/sign-1:approve")).status_code == 200
    refused(await signing.ask())


async def test_a_suspended_client_gets_nothing_until_it_is_resumed(bank: Bank, staff: Staff) -> None:
    await staff.approved(bank)
    assert (await staff.post("ann/ops", f"/v1/clients/{bank.id}:suspend", {"reason": "合同到期"})).status_code == 200
    refused(await bank.ask())
    path = f"/v1/clients/{bank.id}"
    assert (await staff.post("bo/city", f"{path}:resume")).json()["code"] == "resumption_not_requested"
    asked = await staff.post("ann/ops", f"{path}:request-resumption", {"reason": "已续约"})
    assert (asked.status_code, asked.json()["resumption_requested_by"]) == (200, "ann")
    assert (await staff.post("ann/ops", f"{path}:resume")).json()["code"] == "second_person_required"
    refused(await bank.ask())
    resumed = await staff.post("bo/city", f"{path}:resume")
    assert (resumed.status_code, resumed.json()["resumption_requested_by"]) == (200, None)
    assert (await bank.ask()).status_code == 200


async def test_a_token_carries_what_was_asked_for_of_what_the_client_holds(bank: Bank, staff: Staff) -> None:
    await staff.approved(bank, "bank:demo-a", "carrier:demo-1")
    assert (await bank.ask()).json()["scope"] == "bank:demo-a carrier:demo-1"
    assert (await bank.ask(scope="carrier:demo-1")).json()["scope"] == "carrier:demo-1"
    assert (await bank.ask(scope="")).json()["scope"] == "bank:demo-a carrier:demo-1"
    for scope in ("bank:demo-b", "bank:demo-a bank:demo-b", " ", "city"):
        refused(await bank.ask(scope=scope), "invalid_scope")


async def test_a_request_that_is_none_is_told_so(bank: Bank, staff: Staff) -> None:
    await staff.approved(bank)
    good = {**GRANT, "client_assertion": bank.assertion()}

    async def send(form: dict[str, Any], **headers: str) -> httpx.Response:
        return await bank.http.post("/oauth2/token", data=form, headers=headers)

    for name in good:
        refused(await send({key: value for key, value in good.items() if key != name}), "invalid_request")
    refused(await send({**good, "grant_type": "password"}), "unsupported_grant_type")
    refused(await send({**good, "grant_type": "authorization_code"}), "unsupported_grant_type")
    refused(await send({**good, "client_assertion_type": "x"}), "invalid_request")
    refused(await send({**good, "scope": ["bank:demo-a", "bank:demo-a"]}), "invalid_request")
    refused(await bank.http.post("/oauth2/token", json=good), "invalid_request")
    refused(await send({**good, "client_id": "bank:demo-b"}))
    refused(await send(good, authorization="Basic eDp5"))
    assert (await bank.http.get("/oauth2/token")).status_code == 405
    assert (await send(good)).status_code == 200, "nothing of this has used the assertion up"


async def test_the_metadata_say_where_everything_is(http: httpx.AsyncClient) -> None:
    body = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert body["issuer"] == AUTHORITY
    assert body["token_endpoint"] == f"{AUTHORITY}/oauth2/token"
    assert body["jwks_uri"] == f"{AUTHORITY}/jwks"
    assert body["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]


async def test_two_processes_refuse_one_assertion_twice(application: FastAPI, bank: Bank, staff: Staff) -> None:
    await staff.approved(bank)
    once = bank.assertion()
    answers = await asyncio.gather(*(bank.ask(once) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7


async def test_loans_is_told_the_keys_that_sign_messages_now(http: httpx.AsyncClient, staff: Staff, bank: Bank) -> None:
    path, loans = f"/v1/client-keys/{bank.name}", {"authorization": "Bearer /service:loans"}
    assert (await http.get(path, headers=loans)).status_code == 404
    await staff.requested(bank)
    signs = {**bank.jwk, "kid": "sign-1", "x": OKPKey.generate_key("Ed25519").as_dict()["x"]}
    await staff.post("ann/ops", f"/v1/clients/{bank.id}/keys", {"use": "signature", "public_key": signs})
    assert (await http.get(path, headers=loans)).json()["keys"] == []
    await staff.post("bo/city", f"/v1/clients/{bank.id}:approve")
    assert (await http.get(path, headers=loans)).json() == {
        "client_id": bank.name,
        "keys": [{"kid": "sign-1", "public_key": signs}],
    }
    await staff.post("bo/city", f"/v1/clients/{bank.id}:suspend", {"reason": "核查"})
    assert (await http.get(path, headers=loans)).json()["keys"] == []
    assert (await http.get(path, headers={"authorization": "Bearer bo/city"})).status_code == 403
