"""Tokens that do not hold: each is refused with a 401 that tells nobody why, by every service and never by a 5xx."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from joserfc import jwk, jwt
from joserfc.jwk import ECKey, OKPKey

from deploy.local import settings
from deploy.local.settings import AUDIENCE, SERVICES
from deploy.local.tokens import ISSUER, JWKS_FILE, KEY_FILE
from tests.e2e.caller import Caller

pytestmark = pytest.mark.stack

ASKED = {
    "registry": "/v1/carriers",
    "training": "/v1/projects",
    "subsidy": "/v1/claims",
    "loans": "/v1/whitelist/batches",
    "notify": "/v1/messages",
    "audit": "/v1/access-log",
}
"""A list of each service."""
REFUSED = "token_invalid"


def part(value: object) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(text).decode().rstrip("=")


class Forger:
    """Who knows all that is public, and makes tokens that are nearly right; `good` is one that is."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.key = OKPKey.import_key(json.loads((directory / "keys" / KEY_FILE).read_bytes()))
        [self.public] = json.loads((directory / "keys" / JWKS_FILE).read_bytes())["keys"]
        self.issuers = {issuer.name: issuer for issuer in settings.read(directory).issuers}

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        person = f"usr_{uuid4()}"
        claims: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "sub": person, "client_id": "e2e", "kind": "person"}
        claims |= {"roles": ["city", "ops", "auditor"], "iat": now, "exp": now + 600, "jti": str(uuid4())}
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}

    def good(self, header: dict[str, Any] | None = None, key: jwk.Key | None = None, **changes: Any) -> str:
        header = {"alg": "Ed25519", "kid": self.key.kid, **(header or {})}
        key = key or self.key
        return jwt.encode(header, self.claims(**changes), key, algorithms=[header["alg"]])

    def unsigned(self, algorithm: str) -> str:
        return f"{part({'alg': algorithm, 'kid': self.key.kid})}.{part(self.claims())}."

    def keyed_with(self, secret: bytes, algorithm: str) -> str:
        signed = f"{part({'alg': algorithm, 'kid': self.key.kid})}.{part(self.claims())}"
        return f"{signed}.{part(hmac.digest(secret, signed.encode(), f'sha{algorithm[2:]}'))}"


@pytest.fixture(scope="module")
def forger(directory: Path) -> Forger:
    return Forger(directory)


def published(forger: Forger) -> list[bytes]:
    """The spellings of a public key that somebody might take for a secret."""
    key = OKPKey.import_key(forger.public)
    return [forger.public["x"].encode(), json.dumps(forger.public).encode(), key.as_pem(private=False)]


STRANGER = OKPKey.generate_key("Ed25519", {"kid": "stranger"})
HOUR = 3600
NESTED = b'{"a":' * 1100
NOT_UTF_8 = b'{"kid": "\xff\xfe"}'
Forgery = Callable[[Forger], str]
DAMAGED: dict[str, Forgery] = {
    "alg none": lambda f: f.unsigned("none"),
    "alg None": lambda f: f.unsigned("None"),
    "alg Ed25519 and no signature": lambda f: f.unsigned("Ed25519"),
    "no alg": lambda f: f"{part({'kid': f.key.kid})}.{part(f.claims())}.AAAA",
    "alg is a list": lambda f: f"{part({'kid': f.key.kid, 'alg': ['Ed25519']})}.{part(f.claims())}.AAAA",
    "HS256 with x": lambda f: f.keyed_with(published(f)[0], "HS256"),
    "HS256 with the JWK": lambda f: f.keyed_with(published(f)[1], "HS256"),
    "HS512 with the PEM": lambda f: f.keyed_with(published(f)[2], "HS512"),
    "ES256 under the kid of an Ed25519 key": lambda f: f.good({"alg": "ES256"}, ECKey.generate_key("P-256")),
    "a stranger's key": lambda f: f.good(key=STRANGER),
    "a key in the header": lambda f: f.good({"kid": "stranger", "jwk": STRANGER.as_dict(private=False)}, STRANGER),
    "no kid": lambda f: f.good({"kid": ""}),
    "unknown kid": lambda f: f.good({"kid": f"unknown-{uuid4()}"}),
    "kid is a path": lambda f: f.good({"kid": "../../../dev/null"}),
    "kid is a number": lambda f: f"{part({'alg': 'Ed25519', 'kid': 7})}.{part(f.claims())}.AAAA",
    "another audience": lambda f: f.good(aud="another"),
    "no audience": lambda f: f.good(aud=None),
    "another issuer": lambda f: f.good(iss="https://issuer.example"),
    "no issuer": lambda f: f.good(iss=None),
    "issuer is an object": lambda f: f.good(iss={"a": 1}),
    "not yet valid": lambda f: f.good(nbf=int(time.time()) + HOUR),
    "issued in the future": lambda f: f.good(iat=int(time.time()) + HOUR),
    "never expires": lambda f: f.good(exp=None),
    "expires in words": lambda f: f.good(exp="tomorrow"),
    "of nobody": lambda f: f.good(sub=None),
    "a person whose kind says system": lambda f: f.good(kind="system"),
    "a person whose kind says nothing": lambda f: f.good(kind=None),
    "64 KiB": lambda f: f.good(padding="x" * 48_000),
    "64 KiB of nothing": lambda f: "x" * 65_536,
    "nested lists": lambda f: f"{part(b'[' * 4000)}.{part({})}.AAAA",
    "nested objects": lambda f: f"{part(NESTED)}.e30.AAAA",
    "two parts": lambda f: f.good().rpartition(".")[0],
    "five parts": lambda f: f"{f.good()}.AAAA.AAAA",
    "not base64": lambda f: "!.!.!",
    "not UTF-8": lambda f: f"{part(NOT_UTF_8)}.e30.AAAA",
    "changed": lambda f: f.good()[:-8] + "AAAAAAAA",
}


def said(answer: httpx.Response) -> dict[str, Any]:
    """A problem without the address that was asked."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return {name: value for name, value in answer.json().items() if name != "instance"}


async def asked(call: Caller, service: str, token: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"}
    return await call.http.get(call.endpoints.services[service] + ASKED[service], headers=headers)


def refused(answer: httpx.Response) -> None:
    assert (answer.status_code, said(answer)["code"]) == (401, REFUSED), answer.text
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("service", SERVICES)
async def test_what_the_forgeries_are_made_of_is_good(call: Caller, forger: Forger, service: str) -> None:
    assert (await asked(call, service, forger.good())).status_code == 200


@pytest.mark.parametrize("forgery", DAMAGED)
async def test_a_token_that_does_not_hold_is_refused(call: Caller, forger: Forger, forgery: str) -> None:
    for service in SERVICES:
        refused(await asked(call, service, DAMAGED[forgery](forger)))


async def test_nothing_in_the_answer_tells_one_reason_from_another(call: Caller, forger: Forger) -> None:
    answers = {name: await asked(call, "subsidy", forgery(forger)) for name, forgery in DAMAGED.items()}
    bodies = {answer.content for answer in answers.values()}
    assert len(bodies) == 1, {name: answer.text for name, answer in answers.items()}
    assert len({tuple(sorted({*answer.headers} - {"date"})) for answer in answers.values()}) == 1
    assert len({answer.headers["www-authenticate"] for answer in answers.values()}) == 1


async def test_an_expired_token_says_so_only_where_its_signature_holds(call: Caller, forger: Forger) -> None:
    over: dict[str, Any] = {"exp": int(time.time()) - 1, "iat": int(time.time()) - HOUR}
    for service in SERVICES:
        answer = await asked(call, service, forger.good(**over))
        assert (answer.status_code, said(answer)["code"]) == (401, "token_expired")
        refused(await asked(call, service, forger.good(key=STRANGER, **over)))


async def test_no_issuer_speaks_for_another(call: Caller, forger: Forger) -> None:
    """The sandbox's key under the registry's name, and under the names of the registry's keys."""
    registry = forger.issuers[settings.read(forger.directory).authority]
    theirs = (await call.http.get(registry.jwks)).json()["keys"]
    assert theirs
    refused(await asked(call, "subsidy", forger.good({"typ": "at+jwt"}, iss=registry.name)))
    for key in theirs:
        refused(await asked(call, "subsidy", forger.good({"kid": key["kid"]})))
        refused(await asked(call, "subsidy", forger.good({"kid": key["kid"], "typ": "at+jwt"}, iss=registry.name)))


async def test_a_token_in_the_address_is_not_heard_and_not_written_down(
    call: Caller, forger: Forger, directory: Path
) -> None:
    token = forger.good()
    for service in SERVICES:
        for name in ("access_token", "token", "authorization"):
            url = f"{call.endpoints.services[service]}{ASKED[service]}?{name}={token}"
            answer = await call.http.get(url)
            assert (answer.status_code, said(answer)["code"]) == (401, "token_missing")
            assert token not in answer.text
    time.sleep(0.5)
    kept = [path for folder in ("logs", "traces") for path in (directory / folder).glob("*")]
    assert kept
    assert [path.name for path in kept if token.encode() in path.read_bytes()] == []


async def test_two_tokens_are_none(call: Caller, forger: Forger) -> None:
    good, bad = forger.good(), forger.good(key=STRANGER)
    for pair in ((good, good), (good, bad), (bad, good)):
        headers = [(b"authorization", f"Bearer {token}".encode()) for token in pair]
        for service in SERVICES:
            refused(await call.http.get(call.endpoints.services[service] + ASKED[service], headers=headers))


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer  ", "bearer", "Token x", "DPoP x", "Bearer a b c"])
async def test_what_is_no_bearer_token_is_refused(call: Caller, header: str) -> None:
    for service in SERVICES:
        url = call.endpoints.services[service] + ASKED[service]
        refused(await call.http.get(url, headers=[(b"authorization", header.encode().strip())]))


async def test_a_refused_token_is_refused_again_and_the_good_one_still_holds(call: Caller, forger: Forger) -> None:
    good = forger.good()
    bent = f"{good[:-8]}AAAAAAAA"
    for token, status in ((bent, 401), (good, 200), (bent, 401), (good, 200)):
        assert (await asked(call, "subsidy", token)).status_code == status
