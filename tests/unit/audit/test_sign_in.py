"""Signing in to the console: the provider of the sandbox and the console against each other, and what goes wrong."""

import time
from base64 import b64encode, urlsafe_b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey

from deploy.local.identity.app import provider_of
from deploy.local.settings import SignIn
from deploy.local.tokens import SandboxIssuer
from services.audit.console import sign_in as module
from services.audit.console.pages import _page, api
from services.audit.console.sign_in import SEALED_AS, Begun, SignInFailed, Signing
from shared.telemetry.metrics import Metrics
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from shared.web.app import create_app
from shared.web.caller import Caller
from shared.web.problem import Problem

IDENTITY, CONSOLE = "http://identity.test", "http://console.test"
SETTINGS = SignIn(provider=IDENTITY, client_id="huchuang-console", console=CONSOLE)
Asked = dict[str, str]


class Browser:
    """The console, the provider, and somebody who goes between them."""

    def __init__(self, directory: Path) -> None:
        self.issuer = SandboxIssuer(directory / "keys")
        self.transport: httpx.AsyncBaseTransport = httpx.ASGITransport(provider_of(SETTINGS, self.issuer))
        self.http = httpx.AsyncClient(transport=self.transport, base_url=IDENTITY)
        self.keyring = Keyring(FileMasterKey(directory / "master.key"))
        self.signing = self.console(self.transport)

    def console(self, transport: httpx.AsyncBaseTransport) -> Signing:
        settings: Any = SimpleNamespace(sign_in=SETTINGS, issuers=())
        return Signing(settings, self.keyring, transport)

    async def chosen(self, address: str, person: str = "auditor", **changes: str) -> httpx.Response:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        return await self.http.post("/authorize", data={**asked, "person": person, **changes})

    async def there_and_back(self, **changes: str) -> tuple[Asked, str]:
        """What the console is told, and what the browser has kept."""
        address, kept = await self.signing.begin()
        back = await self.chosen(address, **changes)
        assert back.status_code == 303, back.text
        return told(back), kept


def told(back: httpx.Response) -> Asked:
    assert back.headers["location"].startswith(f"{CONSOLE}/console/signed-in?")
    return {name: values[0] for name, values in parse_qs(urlsplit(back.headers["location"]).query).items()}


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    return Browser(tmp_path)


async def test_somebody_signs_in_and_gets_a_token_of_the_provider(browser: Browser) -> None:
    answer, kept = await browser.there_and_back()
    token, subject, _ = await browser.signing.finish(answer, kept)
    keys = KeySet.import_key_set((await browser.http.get("/jwks")).json())
    decoded = jwt.decode(token, keys, algorithms=["Ed25519"])
    assert decoded.header["typ"] == "at+jwt"
    assert (decoded.claims["iss"], decoded.claims["aud"], decoded.claims["sub"]) == (IDENTITY, "huchuang", subject)
    assert (decoded.claims["roles"], decoded.claims["acr"]) == (["auditor"], "urn:huchuang:acr:2")
    assert abs(decoded.claims["auth_time"] - time.time()) < 10


async def test_the_page_offers_the_sandboxs_people_and_goes_nowhere_else(browser: Browser) -> None:
    address, _ = await browser.signing.begin()
    page = await browser.http.get(address)
    assert page.status_code == 200
    for text in ("选择登录身份", "审计员", "浦东新区批准人", 'value="finance/releaser"'):
        assert text in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


async def failed(signing: Signing, answer: Asked, kept: str | None) -> str:
    with pytest.raises(SignInFailed) as raised:
        await signing.finish(answer, kept)
    return str(raised.value)


async def test_an_answer_to_somebody_elses_question_is_refused(browser: Browser) -> None:
    answer, kept = await browser.there_and_back()
    _, others = await browser.there_and_back()
    assert await failed(browser.signing, answer, others) == "state"
    assert await failed(browser.signing, {**answer, "state": "x"}, kept) == "state"
    assert await failed(browser.signing, {**answer, "iss": "http://other.test"}, kept) == "iss of the answer"
    without = {name: value for name, value in answer.items() if name != "iss"}
    assert await failed(browser.signing, without, kept) == "no iss in the answer"
    assert await failed(browser.signing, {**without, "iss": IDENTITY, "code": "x"}, kept)


@pytest.mark.parametrize("kept", [None, "", "x", "AAAA", "。"])
async def test_what_we_have_not_sealed_ourselves_is_refused(browser: Browser, kept: str | None) -> None:
    answer, _ = await browser.there_and_back()
    assert await failed(browser.signing, answer, kept) == "cookie"


async def test_who_takes_too_long_begins_again(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    answer, kept = await browser.there_and_back()
    later = time.time() + module.SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert await failed(browser.signing, answer, kept) == "too late"


async def test_a_code_is_good_once(browser: Browser) -> None:
    answer, kept = await browser.there_and_back()
    await browser.signing.finish(answer, kept)
    assert await failed(browser.signing, answer, kept) == "the token endpoint says 400"


async def test_a_stolen_code_is_worth_nothing_without_the_verifier(browser: Browser) -> None:
    answer, kept = await browser.there_and_back()
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "client_id": "huchuang-console",
        "redirect_uri": f"{CONSOLE}/console/signed-in",
        "code_verifier": "x" * 43,
    }
    stolen = await browser.http.post("/token", data=form)
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
    assert await failed(browser.signing, answer, kept) == "the token endpoint says 400", "a wrong guess uses it up"


async def test_a_code_is_bound_to_its_client_and_address(browser: Browser) -> None:
    for change in ({"client_id": "other"}, {"redirect_uri": f"{CONSOLE}/other"}):
        address, kept = await browser.signing.begin()
        answer = told(await browser.chosen(address))
        begun = msgspec.json.decode(browser.keyring.open_secret(unboxed(kept), SEALED_AS), type=Begun)
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "client_id": "huchuang-console",
            "redirect_uri": f"{CONSOLE}/console/signed-in",
            "code_verifier": begun.verifier,
        }
        assert (await browser.http.post("/token", data={**form, **change})).json()["error"] == "invalid_grant"


def unboxed(kept: str) -> bytes:
    return urlsafe_b64decode(kept)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"person": "mayor"}, "access_denied"),
    ],
    ids=lambda value: str(value),
)
async def test_the_provider_says_what_is_wrong(browser: Browser, change: Asked, error: str) -> None:
    address, kept = await browser.signing.begin()
    answer = told(await browser.chosen(address, **{"person": "auditor", **change}))
    assert answer["error"] == error
    assert await failed(browser.signing, answer, kept) == "no code"


@pytest.mark.parametrize("change", [{"redirect_uri": "https://evil.example/"}, {"client_id": "evil"}], ids=str)
async def test_nobody_is_sent_to_a_stranger(browser: Browser, change: Asked) -> None:
    address, _ = await browser.signing.begin()
    answer = await browser.chosen(address, **change)
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize(("secret", "shown"), [("s3cret\n", True), ("", False), ("\n", False)], ids=repr)
async def test_the_console_shows_its_secret_where_it_has_one(
    browser: Browser, tmp_path: Path, secret: str, shown: bool
) -> None:
    """RFC 6749 section 2.3.1; an empty file, as it is made for a public client, is none."""
    (tmp_path / "client").write_text(secret)
    asked: list[str | None] = []

    class Listening(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path == "/token":
                asked.append(request.headers.get("authorization"))
            return await browser.transport.handle_async_request(request)

    mine = msgspec.structs.replace(SETTINGS, client_secret_file=str(tmp_path / "client"))
    settings: Any = SimpleNamespace(sign_in=mine, issuers=())
    console = Signing(settings, browser.keyring, Listening())
    address, kept = await console.begin()
    await console.finish(told(await browser.chosen(address)), kept)
    basic = f"Basic {b64encode(b'huchuang-console:s3cret').decode()}"
    assert asked == [basic if shown else None]


# -- signing out -------------------------------------------------------------------------------------------------------


async def test_who_signs_out_is_signed_out_at_the_provider_and_comes_back(browser: Browser) -> None:
    answer, kept = await browser.there_and_back()
    signed_in = await browser.signing.finish(answer, kept)
    address = await browser.signing.sign_out(signed_in.id_token)
    assert address is not None
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert asked == {
        "id_token_hint": signed_in.id_token,
        "client_id": "huchuang-console",
        "post_logout_redirect_uri": f"{CONSOLE}/console",
    }
    for back in (await browser.http.get(address), await browser.http.post("/end-session", data=asked)):
        assert (back.status_code, back.headers["location"]) == (303, f"{CONSOLE}/console")
    assert await browser.signing.sign_out_origin() == IDENTITY


@pytest.mark.parametrize(
    "change",
    [{"post_logout_redirect_uri": "https://evil.example/"}, {"client_id": "evil"}, {"id_token_hint": "x"}],
    ids=str,
)
async def test_nobody_who_signs_out_is_sent_to_a_stranger(browser: Browser, change: Asked) -> None:
    signed_in = await browser.signing.finish(*await browser.there_and_back())
    address = await browser.signing.sign_out(signed_in.id_token)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(str(address)).query).items()}
    answer = await browser.http.post("/end-session", data={**asked, **change})
    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_a_provider_without_such_a_place_is_asked_for_nothing(browser: Browser) -> None:
    found = (await browser.http.get("/.well-known/openid-configuration")).json()
    del found["end_session_endpoint"]
    console = browser.console(httpx.MockTransport(lambda _: httpx.Response(200, json=found)))
    assert await console.sign_out("x") is None
    assert await console.sign_out_origin() is None


class Pages:
    """The console's pages, as a browser that has signed in reaches them."""

    def __init__(self, browser: Browser) -> None:
        app = create_app("audit", "审计", [api], nothing, Metrics())
        app.state.settings = SimpleNamespace(sign_in=SETTINGS, issuers=(), profile="local", services={})
        app.state.console_signing = browser.signing
        app.state.verifier = Believing()
        self.app = app
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=CONSOLE)


class Believing:
    """Takes any token for an auditor's."""

    async def verified(self, token: str) -> Caller:
        claims = token.split(".")[1]
        subject = msgspec.json.decode(urlsafe_b64decode(claims + "=="))["sub"]
        return Caller("console", subject, ("auditor",), time.time() + 60)


@asynccontextmanager
async def nothing(_: FastAPI) -> AsyncIterator[None]:
    yield


async def test_signing_out_ends_the_session_here_and_leads_to_the_providers_exit(browser: Browser) -> None:
    pages = Pages(browser)
    sent = await pages.http.get("/console/sign-in")
    answer = told(await browser.chosen(sent.headers["location"]))
    entered = await pages.http.get("/console/signed-in", params=answer)
    assert entered.status_code == 303, entered.text
    assert all("HttpOnly" in cookie for cookie in entered.headers.get_list("set-cookie"))
    id_token = str(pages.http.cookies["huchuang_id"])
    left = await pages.http.post("/console/sign-out")
    assert left.headers["location"].startswith(f"{IDENTITY}/end-session?id_token_hint={id_token}&")
    assert left.headers["referrer-policy"] == "no-referrer"
    assert not pages.http.cookies
    assert (await browser.http.get(left.headers["location"])).headers["location"] == f"{CONSOLE}/console"
    assert (await pages.http.post("/console/sign-out")).headers["location"] == "/console", "a stranger's form does less"


async def test_who_signs_out_while_the_provider_is_away_is_signed_out_here(browser: Browser) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("away", request=request)

    pages = Pages(browser)
    pages.app.state.console_signing = browser.console(httpx.MockTransport(away))
    pages.http.cookies.update({"huchuang_console": "a.b.c", "huchuang_id": "a.b.c"})
    left = await pages.http.post("/console/sign-out")
    assert (left.status_code, left.headers["location"]) == (303, "/console")
    assert len(left.headers.get_list("set-cookie")) == 2


async def test_no_other_page_frames_the_console_or_takes_its_forms(browser: Browser) -> None:
    pages = Pages(browser)
    policy = (await pages.http.get("/console")).headers["content-security-policy"]
    kept = {part.split()[0]: part.split()[1:] for part in policy.split("; ")}
    assert kept["default-src"] == kept["base-uri"] == kept["frame-ancestors"] == ["'none'"]
    assert kept["form-action"] == ["'self'"]
    signed_in = _page("missing.html", 404, leaves_to=IDENTITY).headers["content-security-policy"]
    assert signed_in.endswith(f"form-action 'self' {IDENTITY}"), "signing out ends there"


# -- ID tokens ---------------------------------------------------------------------------------------------------------

STRANGER = OKPKey.generate_key("Ed25519", {"kid": "stranger"})


class Forger(httpx.AsyncBaseTransport):
    """The provider, whose ID tokens are made anew on the way."""

    def __init__(self, inner: httpx.AsyncBaseTransport, key: OKPKey, forge: Callable[[dict[str, Any]], str]) -> None:
        self._inner = inner
        self._key = key
        self._forge = forge

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        if request.url.path != "/token":
            return answer
        body = msgspec.json.decode(await answer.aread())
        claims = jwt.decode(body["id_token"], self._key, algorithms=["Ed25519"]).claims
        return httpx.Response(200, json={**body, "id_token": self._forge(claims)})


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "other"},
        {"nonce": None},
        {"aud": "another-client"},
        {"aud": ["huchuang-console", "another"], "azp": "another"},
        {"aud": ["huchuang-console", "another"], "azp": None},
        {"iss": "http://other.test"},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {},
    ],
    ids=str,
)
async def test_an_id_token_that_does_not_hold_signs_nobody_in(browser: Browser, change: dict[str, Any]) -> None:
    key = OKPKey.import_key(msgspec.json.decode(browser.issuer.key_file.read_bytes()))

    def forge(claims: dict[str, Any]) -> str:
        kept = {name: value for name, value in {**claims, **change}.items() if value is not None}
        if change:
            return browser.issuer.signed(kept)
        return jwt.encode({"alg": "Ed25519", "kid": str(key.kid)}, kept, STRANGER, algorithms=["Ed25519"])

    console = browser.console(Forger(browser.transport, key, forge))
    address, kept = await console.begin()
    answer = told(await browser.chosen(address))
    assert "ID token" in await failed(console, answer, kept)


@pytest.mark.parametrize(("others", "holds"), [(0, True), (1, False)])
async def test_an_id_token_without_kid_is_good_where_there_is_one_key(
    browser: Browser, others: int, holds: bool
) -> None:
    """OpenID Connect Core section 10.1."""
    key = OKPKey.import_key(msgspec.json.decode(browser.issuer.key_file.read_bytes()))
    published = [key.as_dict(private=False), *[STRANGER.as_dict(private=False)] * others]
    inner = Forger(browser.transport, key, lambda c: jwt.encode({"alg": "Ed25519"}, c, key, algorithms=["Ed25519"]))

    class Keys(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path == "/jwks":
                return httpx.Response(200, json={"keys": published})
            return await inner.handle_async_request(request)

    console = browser.console(Keys())
    address, kept = await console.begin()
    answer = told(await browser.chosen(address))
    if holds:
        assert (await console.finish(answer, kept)).subject
    else:
        assert "ID token" in await failed(console, answer, kept)


async def test_a_provider_that_is_away_is_not_the_persons_fault(browser: Browser) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("away", request=request)

    with pytest.raises(Problem) as raised:
        await browser.console(httpx.MockTransport(away)).begin()
    assert (raised.value.status, raised.value.code) == (503, "provider_unavailable")


async def test_a_provider_that_says_another_name_is_not_believed(browser: Browser) -> None:
    other = {"issuer": "http://other.test", "authorization_endpoint": "x", "token_endpoint": "x", "jwks_uri": "x"}
    with pytest.raises(Problem):
        await browser.console(httpx.MockTransport(lambda _: httpx.Response(200, json=other))).begin()
