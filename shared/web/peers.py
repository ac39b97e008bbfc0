"""Asking another service over HTTP: a fact that has not arrived yet, or personal data for a stated purpose."""

import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import stamina
from joserfc import jwt
from joserfc.jwk import OKPKey

from shared.eventstore.interruptions import AskLater
from shared.runtime.settings import Settings
from shared.values.ids import uuid7

TIMEOUT = httpx.Timeout(3.0, connect=1.0)
TOKEN_SECONDS = 600


class PeerUnavailable(AskLater):
    """The other service did not answer in time; ask again later."""


class Peers:
    """One HTTP client for all other services. Reads are retried; what acts carries an idempotency key."""

    def __init__(self, settings: Settings, service: str) -> None:
        self._settings = settings
        self._service = service
        self._client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)
        self._token: tuple[float, str] | None = None

    async def get(self, service: str, path: str) -> Any | None:
        """The JSON at a path of another service, or None when it says 404. Raises `PeerUnavailable`."""
        return await self._ask("GET", service, path, None, None)

    async def post(self, service: str, path: str, body: object, key: str | None = None) -> Any | None:
        """Post and return the answer's JSON, or None for 404. `key` makes it safe to repeat."""
        return await self._ask("POST", service, path, msgspec.json.encode(body), key)

    async def _ask(self, method: str, service: str, path: str, body: bytes | None, key: str | None) -> Any | None:
        headers = {"authorization": f"Bearer {self._bearer()}"}
        if body is not None:
            headers["content-type"] = "application/json"
        if key is not None:
            headers["idempotency-key"] = key
        url = self._settings.services[service] + path
        attempts = 3 if method == "GET" or key is not None else 1
        try:
            async for attempt in stamina.retry_context(httpx.TransportError, attempts=attempts, timeout=3.0):
                with attempt:
                    response = await self._client.request(method, url, content=body, headers=headers)
        except httpx.TransportError as error:
            raise PeerUnavailable(f"{service}: {type(error).__name__}") from error
        if response.status_code == 404:
            return None
        if response.status_code >= 400:
            raise PeerUnavailable(f"{service}: {response.status_code}")
        return msgspec.json.decode(response.content)

    def _bearer(self) -> str:
        """A token as this service, role `service:<name>`, signed with the local issuer's key."""
        now = time.time()
        if self._token is None or self._token[0] < now + 60:
            name = f"service:{self._service}"
            self._token = (now + TOKEN_SECONDS, self._signed(name, name, "system", TOKEN_SECONDS))
        return self._token[1]

    def sandbox_token(self, role: str) -> str:
        """A token for a made-up person of one role, for an hour: the sandbox's own sign-in."""
        return self._signed("usr_sandbox-console", "huchuang-sandbox-console", "person", 3600, role)

    def _signed(self, subject: str, client: str, kind: str, seconds: int, role: str | None = None) -> str:
        issuer = self._settings.issuer
        if issuer.key is None:
            raise PeerUnavailable("no issuer key: outside the local profile tokens come from the identity provider")
        key = OKPKey.import_key(msgspec.json.decode(Path(issuer.key).read_bytes()))
        now = int(time.time())
        claims = {
            "iss": issuer.name,
            "aud": issuer.audience,
            "sub": subject,
            "client_id": client,
            "kind": kind,
            "roles": [role or subject],
            "iat": now,
            "exp": now + seconds,
            "jti": str(uuid7()),
        }
        return jwt.encode({"alg": "Ed25519", "kid": key.kid}, claims, key, algorithms=["Ed25519"])

    async def close(self) -> None:
        await self._client.aclose()
