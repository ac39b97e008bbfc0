"""The registry's edge on a real database, called by staff and by a bank's system."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey

from services.registry.api import clients, tokens
from services.registry.domain.client import CLIENT
from services.registry.domain.key_rotation import KEY_ROTATION
from shared.eventstore.store import Store
from shared.telemetry.metrics import Metrics
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from shared.web.app import create_app
from shared.web.caller import Caller

MIGRATIONS = Path(__file__).parents[3] / "services/registry/migrations/sql"
AUTHORITY, AUDIENCE = "http://registry.test", "huchuang"
GRANT = {
    "grant_type": "client_credentials",
    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
}


class Desk:
    """Believes any token of the form `PERSON/ROLE`."""

    def verify(self, token: str) -> Caller:
        person, _, role = token.partition("/")
        return Caller("desk", person or None, (role,), time.time() + 60)


class Bank:
    """A bank's system: its key, and what it signs with it."""

    def __init__(self, http: httpx.AsyncClient, key: OKPKey | ECKey, name: str = "bank:demo-a") -> None:
        self.http = http
        self.key = key
        self.name = name
        self.id = ""
        self.algorithm = "Ed25519" if isinstance(key, OKPKey) else "ES256"

    @property
    def jwk(self) -> dict[str, Any]:
        wanted = ("kty", "crv", "x", "y", "kid")
        return {name: value for name, value in self.key.as_dict(private=False).items() if name in wanted}

    def assertion(
        self, *, key: OKPKey | ECKey | None = None, header: dict[str, str] | None = None, **changes: Any
    ) -> str:
        now = int(time.time())
        claims = {
            "iss": self.name, "sub": self.name, "aud": f"{AUTHORITY}/oauth2/token",
            "iat": now, "exp": now + 60, "jti": str(uuid4()), **changes,
        }  # fmt: skip
        kept = {name: value for name, value in claims.items() if value is not None}
        chosen = {"alg": self.algorithm, "kid": str(self.key.kid), **(header or {})}
        return jwt.encode(chosen, kept, key or self.key, algorithms=[chosen["alg"]])

    async def ask(self, assertion: str | None = None, **form: str) -> httpx.Response:
        sent = {**GRANT, "client_assertion": assertion or self.assertion(), **form}
        return await self.http.post("/oauth2/token", data=sent)


class Staff:
    """Two persons who let systems in."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def post(self, person: str, path: str, body: object = None) -> httpx.Response:
        return await self.http.post(path, json=body, headers={"authorization": f"Bearer {person}"})

    async def requested(self, bank: Bank, *scopes: str) -> None:
        body = {"client_id": bank.name, "name": "申江示范银行", "scopes": scopes or [bank.name]}
        made = await self.post("ann/ops", "/v1/clients", body)
        assert made.status_code == 201, made.text
        bank.id = made.json()["id"]
        key = {"use": "token", "public_key": bank.jwk}
        assert (await self.post("ann/ops", f"/v1/clients/{bank.id}/keys", key)).status_code == 201

    async def approved(self, bank: Bank, *scopes: str) -> None:
        await self.requested(bank, *scopes)
        assert (await self.post("bo/city", f"/v1/clients/{bank.id}:approve")).status_code == 200


@pytest.fixture
async def application(pool: asyncpg.Pool, keys: Path) -> FastAPI:
    for name in ("token_tables", "use_assertion", "add_signing_key", "withdraw_signing_keys"):
        await pool.execute((MIGRATIONS / f"{name}.sql").read_text(encoding="utf-8"))

    @asynccontextmanager
    async def nothing(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = create_app("registry", "登记", [clients.api, tokens.api], nothing, Metrics())
    app.state.store = Store(pool, [CLIENT, KEY_ROTATION], Keyring(FileMasterKey(keys)))
    app.state.settings = SimpleNamespace(authority=AUTHORITY, audience=AUDIENCE)
    app.state.verifier = Desk()
    return app


@pytest.fixture
async def http(application: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url=AUTHORITY) as opened:
        yield opened


@pytest.fixture
def staff(http: httpx.AsyncClient) -> Staff:
    return Staff(http)


@pytest.fixture
def bank(http: httpx.AsyncClient) -> Bank:
    """A bank that nobody has let in yet."""
    return Bank(http, OKPKey.generate_key("Ed25519", {"kid": "bank-1"}))
