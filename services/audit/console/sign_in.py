"""Signing in to the console: OpenID Connect, authorization code with PKCE (RFC 6749 4.1, RFC 7636), RFC 9207.

And out of it: OpenID Connect RP-Initiated Logout.
"""

import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec
from joserfc import jws, jwt
from joserfc.errors import JoseError

from shared.runtime.settings import CallerKind, Settings, SignInSettings
from shared.vault.boxes import Unreadable
from shared.vault.keys import Keyring
from shared.web.issuers import TIMEOUT, Issuer, KeysWanted
from shared.web.problem import Problem

SECONDS = 600
"""How long a person may take at the provider."""
DISCOVERY_SECONDS = 3600.0
SEALED_AS = "console-sign-in"
CALLBACK = "/console/signed-in"
SIGNED_OUT = "/console"
"""Where the provider sends people who have signed out; registered with it."""


class SignInFailed(Exception):
    """Nobody is signed in; the text says what did not fit and goes into the log, not to the browser."""


class Begun(msgspec.Struct, frozen=True):
    """What the browser keeps for us, sealed, while its person is at the provider."""

    state: str
    nonce: str
    verifier: str
    until: float


class Provider(msgspec.Struct, frozen=True):
    """What a provider says of itself (OpenID Connect Discovery)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None = None
    authorization_response_iss_parameter_supported: bool = False


class SignedIn(NamedTuple):
    """Who came back from the provider, by `sub`; `id_token` tells the provider later who signs out."""

    access_token: str
    subject: str
    id_token: str


class _Keys(msgspec.Struct, frozen=True):
    """The provider's keys, for what it tells the console about a person."""

    name: str
    audience: str
    jwks: str
    algorithms: tuple[str, ...]
    vouches_for: tuple[CallerKind, ...] = ("person",)
    token_type: str | None = None
    foretells: bool = False


class Signing:
    """The console as a client of the provider that the settings name."""

    def __init__(self, settings: Settings, keyring: Keyring, transport: httpx.AsyncBaseTransport | None = None) -> None:
        if settings.sign_in is None:
            raise Problem(404, "not_found", "没有这个地址")
        self._settings: SignInSettings = settings.sign_in
        self._algorithms = next(
            (tuple(item.algorithms) for item in settings.issuers if item.name == self._settings.provider), ("Ed25519",)
        )
        file = self._settings.client_secret_file
        secret = Path(file).read_text().strip() if file else ""
        self._auth = httpx.BasicAuth(self._settings.client_id, secret) if secret else None
        self._keyring = keyring
        self._transport = transport
        self._known: tuple[float, Provider, Issuer] | None = None

    @property
    def redirect_uri(self) -> str:
        return self._settings.console + CALLBACK

    @property
    def secure(self) -> bool:
        """Whether browsers reach the console by https only."""
        return self._settings.console.startswith("https://")

    async def begin(self) -> tuple[str, str]:
        """Where to send the browser, and the sealed value that it keeps meanwhile."""
        provider, _ = await self._provider()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        begun = Begun(state, nonce, verifier, time.time() + SECONDS)
        challenge = urlsafe_b64encode(sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid",
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        box = self._keyring.seal_secret(msgspec.json.encode(begun), SEALED_AS)
        return f"{provider.authorization_endpoint}?{urlencode(query)}", urlsafe_b64encode(box).decode()

    async def finish(self, answer: Mapping[str, str], kept: str | None) -> SignedIn:
        """Who came back from the provider. Raises SignInFailed."""
        begun = self._opened(kept)
        if not secrets.compare_digest(answer.get("state", "").encode(), begun.state.encode()):
            raise SignInFailed("state")
        provider, keys = await self._provider()
        if answer.get("iss", provider.issuer) != provider.issuer:
            raise SignInFailed("iss of the answer")
        if "iss" not in answer and provider.authorization_response_iss_parameter_supported:
            raise SignInFailed("no iss in the answer")
        if "code" not in answer:
            raise SignInFailed("no code")
        tokens = await self._redeem(provider, answer["code"], begun.verifier)
        id_token = str(tokens.get("id_token"))
        claims = await self._believed(id_token, keys, begun.nonce)
        return SignedIn(str(tokens.get("access_token")), str(claims["sub"]), id_token)

    async def sign_out(self, id_token: str) -> str | None:
        """Where to send who signs out (RP-Initiated Logout section 2), None where the provider has no such place.

        Raises a 503 when the provider is away.
        """
        provider, _ = await self._provider()
        place = provider.end_session_endpoint
        if place is None:
            return None
        query = {
            "id_token_hint": id_token,
            "client_id": self._settings.client_id,
            "post_logout_redirect_uri": self._settings.console + SIGNED_OUT,
        }
        return f"{place}{'&' if '?' in place else '?'}{urlencode(query)}"

    async def sign_out_origin(self) -> str | None:
        """Whose place that is: browsers hold a form's target against the page's policy through every redirect."""
        try:
            place = (await self._provider())[0].end_session_endpoint
        except Problem:
            return None
        parts = urlsplit(place or "")
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else None

    def _opened(self, kept: str | None) -> Begun:
        try:
            box = urlsafe_b64decode(kept or "")
            begun = msgspec.json.decode(self._keyring.open_secret(box, SEALED_AS), type=Begun)
        except (ValueError, Unreadable, msgspec.MsgspecError):
            raise SignInFailed("cookie") from None
        if begun.until < time.time():
            raise SignInFailed("too late")
        return begun

    async def _redeem(self, provider: Provider, code: str, verifier: str) -> dict[str, Any]:
        settings = self._settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "client_id": settings.client_id,
            "code_verifier": verifier,
        }
        async with self._http() as http:
            try:
                answer = await http.post(
                    provider.token_endpoint, data=form, auth=self._auth or httpx.USE_CLIENT_DEFAULT
                )
            except httpx.TransportError:
                raise _away() from None
        if answer.status_code != 200:
            raise SignInFailed(f"the token endpoint says {answer.status_code}")
        try:
            return msgspec.json.decode(answer.content, type=dict[str, Any])
        except msgspec.MsgspecError:
            raise SignInFailed("the token endpoint's answer") from None

    async def _believed(self, id_token: str, keys: Issuer, nonce: str) -> dict[str, Any]:
        """The claims of an ID token (OpenID Connect Core 3.1.3.7)."""
        client_id, algorithms = self._settings.client_id, list(self._algorithms)
        registry = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": keys.settings.name},
            aud={"essential": True, "value": client_id},
            azp={"value": client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            header = jws.extract_compact(id_token.encode()).headers()
            if header.get("alg") not in algorithms:
                raise SignInFailed("alg of the ID token")
            key = await _key(keys, header.get("kid"), str(header["alg"]))
            claims = jwt.decode(id_token, key, algorithms=algorithms).claims
            registry.validate(claims)
        except (JoseError, ValueError, KeyError) as error:
            raise SignInFailed(f"ID token: {type(error).__name__}") from None
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and "azp" not in claims:
            raise SignInFailed("azp of the ID token")
        return claims

    async def _provider(self) -> tuple[Provider, Issuer]:
        """What the provider says of itself, asked for once an hour. Raises a 503 when it is away."""
        if self._known is None or self._known[0] < time.monotonic():
            name = self._settings.provider
            async with self._http() as http:
                try:
                    answer = await http.get(f"{name}/.well-known/openid-configuration")
                    found = msgspec.json.decode(answer.raise_for_status().content, type=Provider)
                except (httpx.HTTPError, msgspec.MsgspecError):
                    raise _away() from None
            if found.issuer != name:
                raise _away()
            believed = _Keys(name, self._settings.client_id, found.jwks_uri, self._algorithms)
            self._known = time.monotonic() + DISCOVERY_SECONDS, found, Issuer(believed, self._transport)
        return self._known[1], self._known[2]

    def _http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=TIMEOUT, trust_env=False, transport=self._transport)


async def _key(issuer: Issuer, kid: str | None, algorithm: str) -> Any:
    while True:
        try:
            return issuer.key(kid, algorithm)
        except KeysWanted:
            await issuer.fetch()


def _away() -> Problem:
    return Problem(503, "provider_unavailable", "统一身份认证暂时不可用，请稍后重试", headers={"Retry-After": "3"})
