"""Signing in to the console: the provider of the sandbox and the console against each other, and what goes wrong."""

import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey

from deploy.local.identity.app import provider_of
from deploy.local.settings import SignIn
from deploy.local.tokens import SandboxIssuer
from services.audit.console import sign_in as module
from services.audit.console.sign_in import SEALED_AS, Begun, SignInFailed, Signing
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
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
    token, subject = await browser.signing.finish(answer, kept)
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
    monkeypatch.setattr(module.time, "time", lambda: later)
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
