"""The systems of a local stack as clients: their keys, and the tokens that they are given for them."""

import asyncio
import time
from pathlib import Path

import httpx
from joserfc.jwk import OKPKey

from deploy.local.failures import StackFailed
from deploy.local.tokens import SYSTEMS
from shared.web.client_key import client_key, token_request

SPARE_SECONDS = 60


def system_key(directory: Path, name: str) -> OKPKey:
    """The private key of one of SYSTEMS, made on first use."""
    return client_key(directory / "keys" / "clients" / f"{name.replace(':', '-')}.json")


class SystemTokens:
    """Access tokens of SYSTEMS, asked for at the registry's `/oauth2/token` with each one's own key."""

    def __init__(self, directory: Path, registry: str) -> None:
        self._directory = directory
        self._registry = registry
        self._kept: dict[str, tuple[float, str]] = {}
        self._asking = {name: asyncio.Lock() for name in SYSTEMS}

    def has(self, name: str) -> bool:
        return name in self._asking

    async def token(self, http: httpx.AsyncClient, name: str) -> str:
        """A token that is good for another minute. Raises httpx.TransportError when it is worth another try."""
        async with self._asking[name]:
            until, token = self._kept.get(name, (0.0, ""))
            if until < time.monotonic():
                form = token_request(system_key(self._directory, name), name, self._registry)
                answer = await http.post(f"{self._registry}/oauth2/token", data=form)
                if answer.is_server_error:
                    raise httpx.TransportError(f"the token endpoint says {answer.status_code}")
                if not answer.is_success:
                    raise StackFailed(f"{name} is given no token: {answer.text[:300]}")
                granted = answer.json()
                until, token = time.monotonic() + granted["expires_in"] - SPARE_SECONDS, str(granted["access_token"])
                self._kept[name] = until, token
            return token
