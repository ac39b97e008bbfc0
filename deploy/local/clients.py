"""How the sandbox's systems and people sign in: systems with their keys, people at the provider."""

import asyncio
import secrets
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc.jwk import OKPKey

from deploy.local.failures import StackFailed
from deploy.local.identity.codes import challenge_of
from deploy.local.settings import SignIn, StackSettings
from deploy.local.tokens import NAMES, SYSTEMS
from shared.web.client_key import client_key, token_request
from shared.web.step_up import MAX_AGE

SPARE_SECONDS = 60


def system_key(directory: Path, name: str) -> OKPKey:
    """The private key of one of SYSTEMS, made on first use."""
    return client_key(directory / "keys" / "clients" / f"{name.replace(':', '-')}.json")


class SignedIn:
    """Access tokens of the sandbox's NAMES, asked for when they are needed.

    Systems get theirs at the registry's `/oauth2/token`, people by code and PKCE from the sandbox's provider; people
    sign in anew before their sign-in is too old for the decisions that need a fresh one.
    """

    def __init__(self, settings: StackSettings) -> None:
        if settings.sign_in is None:
            raise StackFailed("this stack has no provider where people sign in")
        self._directory = Path(settings.directory)
        self._registry = settings.services["registry"]
        self._provider = settings.sign_in
        self._kept: dict[str, tuple[float, str]] = {}
        self._asking = {name: asyncio.Lock() for name in NAMES}

    def forget(self, name: str, token: str) -> None:
        """Ask for a new token next time: this one is not taken any more, whatever its lifetime was said to be."""
        if self._kept.get(name, (0.0, ""))[1] == token:
            del self._kept[name]

    async def token(self, http: httpx.AsyncClient, name: str) -> str:
        """A token that is good for another minute. Raises httpx.TransportError when it is worth another try."""
        async with self._asking[name]:
            until, token = self._kept.get(name, (0.0, ""))
            if until < time.monotonic():
                if name in SYSTEMS:
                    form, url = token_request(system_key(self._directory, name), name, self._registry), self._registry
                    granted = _granted(name, await http.post(f"{url}/oauth2/token", data=form))
                else:
                    granted = await _as_person(http, self._provider, name)
                lifetime = min(granted["expires_in"], MAX_AGE) - SPARE_SECONDS
                until, token = time.monotonic() + lifetime, str(granted["access_token"])
                self._kept[name] = until, token
            return token


async def _as_person(http: httpx.AsyncClient, provider: SignIn, person: str) -> dict[str, Any]:
    """What a browser does: ask, choose who one is, come back with a code, and redeem it (RFC 6749 4.1, RFC 7636)."""
    verifier, state = secrets.token_urlsafe(32), secrets.token_urlsafe(16)
    asked = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": f"{provider.console}/console/signed-in",
        "scope": "openid",
        "state": state,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
    }
    back = await http.post(f"{provider.provider}/authorize", data={**asked, "person": person})
    answer = parse_qs(urlsplit(back.headers.get("location", "")).query)
    if answer.get("state") != [state] or "code" not in answer:
        raise StackFailed(f"{person} cannot sign in: {back.status_code}")
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"][0],
        "client_id": provider.client_id,
        "redirect_uri": asked["redirect_uri"],
        "code_verifier": verifier,
    }
    return _granted(person, await http.post(f"{provider.provider}/token", data=form))


def _granted(name: str, answer: httpx.Response) -> dict[str, Any]:
    if answer.is_server_error:
        raise httpx.TransportError(f"the token endpoint says {answer.status_code}")
    if not answer.is_success:
        raise StackFailed(f"{name} is given no token: {answer.text[:300]}")
    granted: dict[str, Any] = answer.json()
    return granted
