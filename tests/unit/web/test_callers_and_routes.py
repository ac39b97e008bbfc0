"""Callers and routes: who is let in, and that a route which does not say does not start."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey

from shared.eventstore.work import ErasedSubject, OversizedEvent
from shared.runtime.settings import CallerKind
from shared.telemetry.metrics import Metrics
from shared.web import caller as module
from shared.web.app import MAX_BODY, create_app
from shared.web.caller import PUBLIC, Caller, Verifier, allow, allowed, caller_of
from shared.web.fields import Money
from shared.web.issuers import Issuer
from shared.web.problem import Problem
from shared.web.routes import Body, router

LATER = time.time() + 3600


def caller(*roles: str, user: str | None = None) -> Caller:
    return Caller("client", user, roles, LATER)


@pytest.mark.parametrize(
    ("role", "pattern", "holds"),
    [
        ("app", "app", True),
        ("app", "application", False),
        ("application", "app", False),
        ("bank:demo-a", "bank:*", True),
        ("bank:demo-a", "bank:demo-b", False),
        ("bank", "bank:*", False),
        ("district:310115/reviewer", "district:*/reviewer", True),
        ("district:310115/reviewer", "district:*/*", True),
        ("district:310115/reviewer", "district:*/approver", False),
        ("district:310115/reviewer", "district:310101/reviewer", False),
        ("district:310115", "district:*/*", False),
        ("finance/maker", "finance/*", True),
        ("finance/maker", "finance/releaser", False),
        ("City", "city", False),
        ("*", "city", False),
        ("district:*/*", "district:310115/reviewer", False),
    ],
)
def test_a_role_matches_its_pattern_and_no_other(role: str, pattern: str, holds: bool) -> None:
    assert caller(role).holds(pattern) is holds
    assert caller("other", role).holds(pattern) is holds


def test_a_caller_without_roles_holds_nothing() -> None:
    assert not caller().holds("*")


def test_a_caller_acts_for_those_its_roles_name() -> None:
    found = caller("district:310115/reviewer", "district:310101/approver", "bank:demo-a", "districts:x")
    assert found.named("district") == ("310115", "310101")
    assert found.named("bank") == ("demo-a",)
    assert found.named("carrier") == ()


def test_decisions_need_a_person() -> None:
    assert caller("city", user="usr_1").person == "usr_1"
    with pytest.raises(Problem) as raised:
        caller("city").person  # noqa: B018
    assert (raised.value.status, raised.value.code) == (403, "person_required")


def test_an_actor_names_client_person_and_for_whom() -> None:
    actor = caller("app", user="usr_1").actor("per_1")
    assert (actor.client, actor.user, actor.on_behalf_of) == ("client", "usr_1", "per_1")


# -- tokens ------------------------------------------------------------------------------------------------------------

ISSUER, AUDIENCE = "http://issuer", "huchuang"
KEY = OKPKey.generate_key("Ed25519", {"kid": "k1", "use": "sig"})
STRANGER = OKPKey.generate_key("Ed25519", {"kid": "k1", "use": "sig"})


class Believed(NamedTuple):
    """Settings of an issuer."""

    name: str
    audience: str
    jwks: str
    vouches_for: tuple[CallerKind, ...]
    algorithms: tuple[str, ...] = ("Ed25519", "ES256")
    token_type: str | None = None
    foretells: bool = False


@pytest.fixture
def verifier(tmp_path: Path) -> Verifier:
    path = tmp_path / "jwks.json"
    path.write_bytes(msgspec.json.encode(KeySet([KEY]).as_dict(private=False)))
    return Verifier([Issuer(Believed(ISSUER, AUDIENCE, str(path), ("system", "person")))])


def token(key: OKPKey = KEY, **changes: Any) -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "app", "exp": int(LATER), "roles": ["app"], **changes}
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": "Ed25519", "kid": "k1"}, kept, key, algorithms=["Ed25519"])


def test_a_system_and_a_person_are_told_apart(verifier: Verifier) -> None:
    assert verifier.verify(token()) == Caller("app", None, ("app",), float(int(LATER)))
    person = verifier.verify(token(sub="usr_1", client_id="console", kind="person", roles=["city"]))
    assert (person.client, person.user, person.roles) == ("console", "usr_1", ("city",))


@pytest.mark.parametrize(
    "change",
    [{"iss": "http://other"}, {"aud": "other"}, {"exp": 1}, {"exp": None}, {"sub": None}, {"iss": None}, {"aud": None}],
    ids=str,
)
def test_a_token_for_others_of_others_or_over_is_refused(verifier: Verifier, change: dict[str, Any]) -> None:
    with pytest.raises(Problem) as raised:
        verifier.verify(token(**change))
    assert (raised.value.status, raised.value.headers) == (401, {"WWW-Authenticate": 'Bearer realm="huchuang"'})


def test_a_token_signed_by_another_unsigned_or_bent_is_refused(verifier: Verifier) -> None:
    good = token()
    head, body, signature = good.split(".")
    unsigned = jwt_none(body)
    for bad in (
        token(STRANGER),
        unsigned,
        f"{head}.{body}.",
        f"{head}.{body[:-2]}.{signature}",
        "x",
        "",
        "a.b.c",
        "。",
    ):
        with pytest.raises(Problem) as raised:
            verifier.verify(bad)
        assert (raised.value.status, raised.value.code) == (401, "token_invalid")
    assert verifier.verify(good).client == "app"


def jwt_none(body: str) -> str:
    return f"eyJhbGciOiJub25lIn0.{body}."


def test_a_token_is_verified_once_and_still_runs_out(verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    good = token()
    first = verifier.verify(good)
    monkeypatch.setattr(verifier, "_issuers", {})
    assert verifier.verify(good) is first
    monkeypatch.setattr(time, "time", lambda: LATER + 1)
    with pytest.raises(Problem) as raised:
        verifier.verify(good)
    assert raised.value.code == "token_expired"


def test_the_cache_of_tokens_does_not_grow_without_end(verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHED_TOKENS", 3)
    for n in range(6):
        verifier.verify(token(sub=f"app{n}"))
    assert len(verifier._cache) == 3


# -- routes ------------------------------------------------------------------------------------------------------------


class Thing(Body):
    amount: Money


def test_a_route_that_declares_no_scope_does_not_start() -> None:
    api = router("测试")

    async def forgotten() -> Response:
        return Response()

    with pytest.raises(TypeError, match="forgotten declares no scope"):
        api.get("/forgotten")(forgotten)
    with pytest.raises(TypeError, match="declares no scope"):
        api.get("/empty")(allow()(forgotten))


def test_a_scope_is_what_was_declared() -> None:
    @allow("app", "city")
    async def endpoint() -> Response:
        return Response()

    assert allowed(endpoint) == ("app", "city")


def application(verifier: Verifier) -> FastAPI:
    api = router("测试")

    @api.get("/open", summary="公开")
    @allow(PUBLIC)
    async def open_to_all() -> Response:
        return Response(b"{}")

    @api.get("/staff", summary="经办")
    @allow("district:*/reviewer")
    async def staff(request: Request) -> Response:
        return Response(caller_of(request).client)

    @api.post("/things", summary="建立")
    @allow("app")
    async def make(body: Thing) -> Response:
        return Response(str(body.amount))

    @api.get("/broken", summary="出错")
    @allow(PUBLIC)
    async def broken() -> Response:
        raise RuntimeError("310101199001011234")

    @api.get("/away", summary="断开")
    @allow(PUBLIC)
    async def away() -> Response:
        raise ConnectionRefusedError("postgres://secret")

    @api.get("/oversized", summary="过大")
    @allow(PUBLIC)
    async def oversized() -> Response:
        raise OversizedEvent("subsidy.NoticeDrafted.v1: 300000 bytes of secret")

    @api.get("/erased", summary="已删除")
    @allow(PUBLIC)
    async def erased() -> Response:
        raise ErasedSubject("per_secret")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield

    app = create_app("test", "测试", [api], lifespan, Metrics())
    app.state.verifier = verifier
    return app


@pytest.fixture
async def client(verifier: Verifier) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=application(verifier))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as found:
        yield found


def bearer(*roles: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token(roles=list(roles))}"}


async def test_a_public_route_asks_nobody(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/open")).status_code == 200
    assert (await client.get("/v1/open", headers={"authorization": "nonsense"})).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "token_missing"),
        ({"authorization": "Basic YTpi"}, 401, "token_invalid"),
        ({"authorization": "Bearer"}, 401, "token_invalid"),
        ({"authorization": "Bearer x"}, 401, "token_invalid"),
    ],
)
async def test_who_does_not_sign_in_is_told_how(
    client: httpx.AsyncClient, headers: dict[str, str], status: int, code: str
) -> None:
    response = await client.get("/v1/staff", headers=headers)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_route_lets_in_who_holds_its_role_and_nobody_else(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/staff", headers=bearer("district:310115/reviewer"))).text == "app"
    for roles in (("district:310115/approver",), ("city",), ()):
        refused = await client.get("/v1/staff", headers=bearer(*roles))
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")


async def test_who_may_not_come_in_is_not_told_what_is_wrong_with_the_body(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/things", json={"x": 1})).status_code == 401
    assert (await client.post("/v1/things", json={"x": 1}, headers=bearer("city"))).status_code == 403


async def test_a_body_is_checked_field_by_field_and_its_values_are_not_repeated(client: httpx.AsyncClient) -> None:
    secret = "310101199001011234"
    response = await client.post("/v1/things", json={"amount": 18.0, "note": secret}, headers=bearer("app"))
    assert response.status_code == 422
    assert {(item["pointer"], item["code"]) for item in response.json()["errors"]} == {
        ("/amount", "money.not_text"),
        ("/note", "unknown_field"),
    }
    assert secret not in response.text
    good = await client.post("/v1/things", json={"amount": "1800"}, headers=bearer("app"))
    assert (good.status_code, good.text) == (200, "1800.00")


@pytest.mark.parametrize("content", [b"{", b"", b"[]", b'"x"', b"\xff"])
async def test_what_is_no_object_is_a_problem_and_no_error_of_ours(client: httpx.AsyncClient, content: bytes) -> None:
    headers = {**bearer("app"), "content-type": "application/json"}
    response = await client.post("/v1/things", content=content, headers=headers)
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_body_that_is_too_large_is_refused_whether_or_not_it_says_so(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY // 65536 + 1):
            yield b" " * 65536

    headers = {**bearer("app"), "content-type": "application/json"}
    for content in (b" " * (MAX_BODY + 1), endless()):
        response = await client.post("/v1/things", content=content, headers=headers)
        assert (response.status_code, response.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nowhere", 404, "not_found"),
        ("DELETE", "/v1/open", 405, "method_not_allowed"),
        ("GET", "/v1/broken", 500, "internal_error"),
        ("GET", "/v1/away", 503, "temporarily_unavailable"),
        ("GET", "/v1/oversized", 413, "event_too_large"),
        ("GET", "/v1/erased", 409, "person_erased"),
    ],
)
async def test_every_error_is_a_problem_document_in_chinese_that_says_nothing_of_the_inside(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    response = await client.request(method, path)
    body = response.json()
    assert (response.status_code, body["status"], body["code"], body["instance"]) == (status, status, code, path)
    assert any("一" <= sign <= "鿿" for sign in body["detail"])
    assert "310101199001011234" not in response.text
    assert "secret" not in response.text


async def test_a_correlation_id_is_kept_when_it_is_one_and_made_when_it_is_not(client: httpx.AsyncClient) -> None:
    given = "0195a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
    kept = await client.get("/v1/open", headers={"x-correlation-id": given})
    assert kept.headers["x-correlation-id"] == given
    made = await client.get("/v1/open", headers={"x-correlation-id": "x"})
    assert len(made.headers["x-correlation-id"]) == 36


async def test_the_documents_say_whom_a_route_admits(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert paths["/v1/staff"]["get"]["x-roles"] == ["district:*/reviewer"]
    assert paths["/v1/staff"]["get"]["security"] == [{"bearer": []}, {"oauth2": []}]
    assert paths["/v1/open"]["get"]["security"] == []
