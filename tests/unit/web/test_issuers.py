"""Issuers' keys: fetched when they are wanted, by one for all, not too often, and kept while the issuer is away."""

import asyncio
import time
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from shared.runtime.settings import CallerKind
from shared.web import issuers
from shared.web.caller import Caller, Verifier
from shared.web.decoys import decoy_key
from shared.web.issuers import Issuer
from shared.web.problem import Problem

URL = "http://registry.test/jwks"
OLD = OKPKey.generate_key("Ed25519", {"kid": "old"})
NEW = OKPKey.generate_key("Ed25519", {"kid": "new"})


class Believed(NamedTuple):
    name: str = "http://registry.test"
    audience: str = "huchuang"
    jwks: str = URL
    vouches_for: tuple[CallerKind, ...] = ("system",)
    algorithms: tuple[str, ...] = ("Ed25519",)
    token_type: str | None = "at+jwt"
    foretells: bool = False


class Site:
    """The issuer's site: it counts who asks, and may be away, slow or strange."""

    def __init__(self, *keys: Any) -> None:
        self.keys: list[Any] = list(keys)
        self.asked = 0
        self.away = False
        self.body: bytes | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        await self.open.wait()
        if self.away:
            raise httpx.ConnectError("away", request=request)
        if self.body is not None:
            return httpx.Response(200, content=self.body)
        return httpx.Response(200, json=KeySet(self.keys).as_dict(private=False))

    def verifier(self, **changes: Any) -> Verifier:
        return Verifier([Issuer(Believed(**changes), httpx.MockTransport(self.answer))])


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> "Passing":
    return Passing(monkeypatch)


class Passing:
    """The monotonic clock as the module sees it, moved at will."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(issuers, "time", self)

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def site() -> Site:
    return Site(OLD)


def token(key: Any = OLD, typ: str | None = "at+jwt", alg: str = "Ed25519", **changes: Any) -> str:
    claims = {
        "iss": "http://registry.test",
        "aud": "huchuang",
        "sub": "app",
        "exp": int(time.time()) + 600,
        "roles": ["app"],
    }
    header = {"alg": alg, "kid": key.kid, **({} if typ is None else {"typ": typ})}
    return jwt.encode(header, {**claims, "roles": ["app"], **changes}, key, algorithms=[alg])


async def refused(verifier: Verifier, text: str) -> int:
    with pytest.raises(Problem) as raised:
        await verifier.verified(text)
    return raised.value.status


async def test_the_keys_are_fetched_for_the_first_token_and_then_known(site: Site) -> None:
    verifier = site.verifier()
    assert (await verifier.verified(token())).client == "app"
    assert verifier.verify(token(sub="bank:demo-a")).client == "bank:demo-a"
    assert site.asked == 1


async def test_whoever_comes_while_the_keys_are_on_their_way_waits_for_the_same_ones(site: Site) -> None:
    site.open.clear()
    verifier = site.verifier()
    waiting = [asyncio.create_task(verifier.verified(token(sub=f"app{n}"))) for n in range(20)]
    await asyncio.sleep(0.01)
    waiting[0].cancel()
    await asyncio.sleep(0)
    site.open.set()
    callers = await asyncio.gather(*waiting[1:])
    assert {caller.client for caller in callers} == {f"app{n}" for n in range(1, 20)}
    assert site.asked == 1


async def test_a_new_key_is_fetched_and_the_old_ones_tokens_still_hold(site: Site, passing: Passing) -> None:
    verifier = site.verifier()
    await verifier.verified(token())
    site.keys = [OLD, NEW]
    passing.now += 4
    assert (await verifier.verified(token(NEW))).client == "app"
    assert verifier.verify(token(OLD, sub="other")).client == "other"
    assert site.asked == 2


async def test_unknown_keys_make_the_issuer_be_asked_once_in_a_while_only(site: Site, passing: Passing) -> None:
    verifier = site.verifier()
    for n in range(10):
        stranger = OKPKey.generate_key("Ed25519", {"kid": f"k{n}"})
        assert await refused(verifier, token(stranger)) == 401
    assert site.asked == 1
    passing.now += 4
    assert await refused(verifier, token(NEW)) == 401
    assert site.asked == 2


async def test_an_issuer_that_was_never_seen_is_no_reason_to_say_that_a_token_is_wrong(
    site: Site, passing: Passing
) -> None:
    site.away = True
    verifier = site.verifier()
    with pytest.raises(Problem) as raised:
        await verifier.verified(token())
    assert (raised.value.status, raised.value.code) == (503, "issuer_unavailable")
    assert raised.value.headers["Retry-After"]
    assert await refused(verifier, token()) == 503
    assert site.asked == 1
    site.away = False
    passing.now += 4
    assert (await verifier.verified(token())).client == "app"


@pytest.mark.parametrize("strange", [b"", b"<html>", b"[]", b'{"keys": 1}'])
async def test_what_is_no_key_set_leaves_the_keys_as_they_were(site: Site, passing: Passing, strange: bytes) -> None:
    verifier = site.verifier()
    await verifier.verified(token())
    site.body = strange
    passing.now += issuers.KEYS_SECONDS + 1
    assert (await verifier.verified(token(sub="other"))).client == "other"
    assert site.asked == 2


async def test_keys_are_kept_while_the_issuer_is_away_and_looked_at_again_in_time(site: Site, passing: Passing) -> None:
    verifier = site.verifier()
    await verifier.verified(token())
    site.away = True
    passing.now += issuers.KEYS_SECONDS + 1
    assert (await verifier.verified(token(sub="other"))).client == "other"
    site.away, site.keys = False, [NEW]
    passing.now += 4
    assert await refused(verifier, token(OLD, sub="third")) == 401


async def test_a_cached_token_asks_nobody(site: Site, passing: Passing) -> None:
    verifier, good = site.verifier(), token()
    first = await verifier.verified(good)
    passing.now += 10 * issuers.KEYS_SECONDS
    site.away = True
    assert verifier.verify(good) is first
    assert site.asked == 1


async def test_a_token_of_an_unknown_issuer_or_of_another_type_is_refused(site: Site) -> None:
    verifier = site.verifier()
    assert await refused(verifier, token(iss="http://other.test")) == 401
    assert site.asked == 0
    for typ in ("JWT", None, "logout+jwt"):
        assert await refused(verifier, token(typ=typ)) == 401
    assert (await verifier.verified(token(typ="application/at+jwt"))).client == "app"


async def test_only_the_issuers_algorithms_are_believed_and_no_secret_is_a_key(site: Site) -> None:
    rsa, secret = RSAKey.generate_key(2048, {"kid": "rsa"}), OctKey.generate_key(256, {"kid": "oct"})
    site.keys = [OLD, rsa]
    site.body = None
    verifier = site.verifier()
    assert await refused(verifier, token(rsa, alg="RS256")) == 401
    assert (await site.verifier(algorithms=("RS256",)).verified(token(rsa, alg="RS256"))).client == "app"
    assert await refused(verifier, token(secret, alg="HS256")) == 401
    public = OctKey.import_key(str(OLD.as_dict(private=False)["x"]), {"kid": "old"})
    assert await refused(verifier, token(public, alg="HS256")) == 401


async def test_an_issuer_vouches_for_its_own_kind_of_caller_only(site: Site) -> None:
    claims: dict[str, Any] = {"kind": "person", "acr": "urn:huchuang:acr:2", "auth_time": 7}
    system = await site.verifier().verified(token(**claims))
    assert (system.user, system.acr, system.auth_time) == (None, None, None)
    person = await site.verifier(vouches_for=("person",)).verified(token(**{**claims, "kind": "system"}))
    assert (person.user, person.acr, person.auth_time) == ("app", "urn:huchuang:acr:2", 7.0)


async def test_roles_that_are_no_list_are_none(site: Site) -> None:
    assert isinstance(caller := await site.verifier().verified(token(roles="city")), Caller)
    assert caller.roles == ()


@pytest.mark.parametrize("foretells", [False, True])
async def test_only_the_sandbox_s_issuer_may_say_that_somebody_will_have_signed_in(site: Site, foretells: bool) -> None:
    ahead = int(time.time()) + 86400
    verifier = site.verifier(vouches_for=("person",), foretells=foretells)
    caller = await verifier.verified(token(acr="urn:huchuang:acr:2", auth_time=ahead))
    assert caller.auth_time == (ahead if foretells else None)


async def test_what_was_believed_under_a_withdrawn_key_is_believed_no_longer(site: Site, passing: Passing) -> None:
    verifier = site.verifier()
    forged_in_time = token(exp=int(time.time()) + 10**8)
    assert (await verifier.verified(forged_in_time)).client == "app"
    site.keys = [NEW]
    passing.now += 1000
    assert (await verifier.verified(token(NEW))).client == "app"
    assert await refused(verifier, forged_in_time) == 401


async def test_no_mapping_of_roles_makes_a_person_a_system(site: Site) -> None:
    verifier = site.verifier(vouches_for=("person",))
    roles = ["service:subsidy", "bank:demo-a", "app", "district:310115/reviewer", "auditor"]
    assert (await verifier.verified(token(roles=roles))).roles == ("district:310115/reviewer", "auditor")


@pytest.mark.parametrize("algorithm", ["Ed25519", "ES256", "RS256"])
async def test_a_token_under_an_unknown_key_is_held_against_a_key_all_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    verifier = site.verifier(algorithms=(algorithm,))
    tried: list[object] = []

    def decode(text: str, key: object, algorithms: list[str]) -> object:
        tried.append(key)
        return real(text, key, algorithms=algorithms)

    real: Any = jwt.decode
    monkeypatch.setattr(jwt, "decode", decode)
    strangers = {
        "Ed25519": NEW,
        "ES256": ECKey.generate_key("P-256", {"kid": "new"}),
        "RS256": RSAKey.generate_key(2048, {"kid": "new"}),
    }
    assert await refused(verifier, token(strangers[algorithm], alg=algorithm)) == 401
    assert len(tried) == 1


async def test_no_token_holds_under_the_key_of_nobody(site: Site) -> None:
    nobody = decoy_key("Ed25519")
    forged = OKPKey.import_key({**nobody.as_dict(private=True), "kid": "unknown"})
    assert await refused(site.verifier(), token(forged)) == 401


# -- tokens that name no key (OpenID Connect Core section 10.1) --------------------------------------------------------


def unnamed(key: Any = OLD, alg: str = "Ed25519") -> str:
    claims = {"iss": "http://registry.test", "aud": "huchuang", "sub": "app", "exp": int(time.time()) + 600}
    return jwt.encode({"alg": alg, "typ": "at+jwt"}, claims, key, algorithms=[alg])


async def test_a_token_without_kid_is_held_against_the_only_key_that_fits(site: Site) -> None:
    both = {"algorithms": ("Ed25519", "ES256", "RS256")}
    rsa = RSAKey.generate_key(2048)
    other = RSAKey.import_key({**rsa.as_dict(private=True), "alg": "RS512"})
    site.keys = [OLD, ECKey.generate_key("P-384", {"kid": "ec"}), other]
    verifier = site.verifier(**both)
    assert (await verifier.verified(unnamed())).client == "app"
    assert await refused(verifier, unnamed(NEW)) == 401
    assert await refused(verifier, unnamed(ECKey.generate_key("P-256"), "ES256")) == 401
    assert await refused(verifier, unnamed(rsa, "RS256")) == 401, "the key is for another algorithm"


async def test_the_only_key_need_not_have_a_name(site: Site) -> None:
    nameless = OKPKey.generate_key("Ed25519")
    site.body = msgspec.json.encode({"keys": [nameless.as_dict(private=False)]})
    assert (await site.verifier().verified(unnamed(nameless))).client == "app"


async def test_a_token_without_kid_is_refused_where_two_keys_fit(site: Site) -> None:
    site.keys = [OLD, NEW]
    verifier = site.verifier()
    assert await refused(verifier, unnamed()) == 401
    assert (await verifier.verified(token())).client == "app"


async def test_what_was_believed_without_kid_is_believed_no_longer_when_the_key_is_gone(
    site: Site, passing: Passing
) -> None:
    verifier, text = site.verifier(), unnamed()
    await verifier.verified(text)
    site.keys = [NEW]
    passing.now += issuers.KEYS_SECONDS + 1
    await verifier.verified(token(NEW))
    assert await refused(verifier, text) == 401
