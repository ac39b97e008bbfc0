"""Raw calls by role name, and tokens of one's own making, signed with the sandbox's key."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from joserfc import jwt
from joserfc.jwk import OKPKey

from deploy.local.client import SIGNED, signed_calls
from deploy.local.endpoints import Endpoints
from deploy.local.settings import AUDIENCE
from deploy.local.tokens import ISSUER, KEY_FILE
from shared.web.signing.client import Untrusted
from shared.web.step_up import ACR


class Caller:
    """`role` is a sandbox token's name, or a token, or None for nobody."""

    def __init__(self, http: httpx.AsyncClient, endpoints: Endpoints) -> None:
        self.http = http
        self.endpoints = endpoints
        named = signed_calls(endpoints, http)
        self._signing = {**named, **{endpoints.tokens[name]: auth for name, auth in named.items()}}

    async def post(
        self, role: str | None, service: str, path: str, body: object = None, **headers: str
    ) -> httpx.Response:
        """POST `body` as JSON, or as it is when it is bytes."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = {"content-type": "application/json", **self._token(role)}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self._send("POST", role, service, path, content=content, headers=sent)

    async def get(self, role: str | None, service: str, path: str, **headers: str) -> httpx.Response:
        sent = self._token(role) | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self._send("GET", role, service, path, headers=sent)

    async def finished(self, role: str, service: str, path: str, body: object = None, **headers: str) -> dict[str, Any]:
        """The operation that a POST became, once it has succeeded."""
        accepted = await self.post(role, service, path, body, **headers)
        assert accepted.status_code == 202, accepted.text
        async with asyncio.timeout(60):
            while True:
                operation: dict[str, Any] = (await self.get(role, service, accepted.headers["location"])).json()
                if operation["finished_at"] is not None:
                    assert operation["status"] == "succeeded", operation
                    return operation
                await asyncio.sleep(0.1)

    async def _send(self, method: str, role: str | None, service: str, path: str, **options: Any) -> httpx.Response:
        """Banks sign what they send to loans. An unsigned answer is shown if it is an error, else it is one."""
        auth = self._signing.get(role) if role is not None and service == SIGNED else None
        try:
            return await self.http.request(method, self.endpoints.services[service] + path, auth=auth, **options)
        except Untrusted as untrusted:
            if untrusted.response.is_success:
                raise
            return untrusted.response

    def _token(self, role: str | None) -> dict[str, str]:
        return {} if role is None else {"authorization": f"Bearer {self.endpoints.tokens.get(role, role)}"}


class Minter:
    """Signs any token with the sandbox issuer's key."""

    def __init__(self, directory: Path) -> None:
        self._key = OKPKey.import_key(json.loads((directory / "keys" / KEY_FILE).read_bytes()))

    def __call__(self, *roles: str, kind: str = "person", lifetime: int = 600, signed_in: int = 0) -> str:
        """`signed_in`: how many seconds ago the person did."""
        subject = f"usr_{uuid4()}" if kind == "person" else roles[0]
        issued = int(time.time())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "client_id": "e2e" if kind == "person" else subject,
            "kind": kind,
            "roles": list(roles),
            "iat": issued,
            "exp": issued + lifetime,
            "jti": str(uuid4()),
            "acr": ACR,
            "auth_time": issued - signed_in,
        }
        return jwt.encode({"alg": "Ed25519", "kid": self._key.kid}, claims, self._key, algorithms=["Ed25519"])
