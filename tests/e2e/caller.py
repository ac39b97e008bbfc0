"""Raw calls by role name, and tokens of one's own making, signed with the sandbox's key."""

import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from joserfc import jwt
from joserfc.jwk import OKPKey

from deploy.local import settings
from deploy.local.client import SIGNED, signed_calls
from deploy.local.endpoints import Endpoints
from shared.web.signing.client import SignedCalls


class Caller:
    """`role` is a sandbox token's name, or a token, or None for nobody."""

    def __init__(self, http: httpx.AsyncClient, endpoints: Endpoints) -> None:
        self.http = http
        self.endpoints = endpoints
        self._signing = signed_calls(endpoints, http)

    async def post(
        self, role: str | None, service: str, path: str, body: object = None, **headers: str
    ) -> httpx.Response:
        """POST `body` as JSON, or as it is when it is bytes."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = {"content-type": "application/json", **self._token(role)}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        url = self.endpoints.services[service] + path
        return await self.http.post(url, content=content, headers=sent, auth=self._auth(role, service))

    async def get(self, role: str | None, service: str, path: str) -> httpx.Response:
        url = self.endpoints.services[service] + path
        return await self.http.get(url, headers=self._token(role), auth=self._auth(role, service))

    def _auth(self, role: str | None, service: str) -> SignedCalls | None:
        """Banks sign what they send to loans, and believe only signed answers."""
        return self._signing.get(role) if role is not None and service == SIGNED else None

    def _token(self, role: str | None) -> dict[str, str]:
        return {} if role is None else {"authorization": f"Bearer {self.endpoints.tokens.get(role, role)}"}


class Minter:
    """Signs any token with the sandbox issuer's key."""

    def __init__(self, directory: Path) -> None:
        self._issuer = settings.read(directory).issuer
        assert self._issuer.key is not None
        self._key = OKPKey.import_key(json.loads(Path(self._issuer.key).read_bytes()))

    def __call__(self, *roles: str, kind: str = "person", lifetime: int = 600) -> str:
        subject = f"usr_{uuid4()}" if kind == "person" else roles[0]
        issued = int(time.time())
        claims: dict[str, Any] = {
            "iss": self._issuer.name,
            "aud": self._issuer.audience,
            "sub": subject,
            "client_id": "e2e" if kind == "person" else subject,
            "kind": kind,
            "roles": list(roles),
            "iat": issued,
            "exp": issued + lifetime,
            "jti": str(uuid4()),
        }
        return jwt.encode({"alg": "Ed25519", "kid": self._key.kid}, claims, self._key, algorithms=["Ed25519"])
