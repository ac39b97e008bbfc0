"""The loans service on a real database, as banks call it over HTTP; registry's events come in through its inbox."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import unquote
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest
from fastapi import FastAPI

from deploy.local.migrations import migrate
from deploy.local.postgres import PostgresServer
from services.loans.domain.entry import WHITELIST, WhitelistRow, whitelist_key
from services.loans.wiring import DEFINITION
from shared.eventstore.record import Actor, Record, canonical
from shared.eventstore.store import Store
from shared.messaging.inbox import Inbox
from shared.messaging.intake import Intake
from shared.messaging.topics import Delivered
from shared.runtime.parts import Parts, open_pool
from shared.runtime.signing_routes import signing_keys
from shared.telemetry.metrics import Metrics
from shared.values.ids import WhitelistEntryId, new_id, uuid7
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from shared.web.app import create_app
from shared.web.caller import Caller
from shared.web.peers import Peers, PeerUnavailable
from shared.web.signing.client import PublishedKeys, SignedCalls
from shared.web.signing.guard import Guard
from shared.web.signing.keys import Algorithm, PrivateKey, new_key, public_jwk
from shared.web.signing.nonces import NonceBook
from shared.web.signing.own_keys import OwnKeys
from shared.web.signing.profile import Policy
from shared.web.signing.scribe import Scribe

TEMPLATE = "loans_template"
BASE = "http://loans.test"
PERSONS = ("city", "ops")
ALGORITHMS: dict[Algorithm, str] = {"ed25519": "Ed25519", "sm2-sm3": "SM2"}


class AnyToken:
    """Takes a token's text for the role and the client of its bearer."""

    def verify(self, token: str) -> Caller:
        return Caller(token, "usr_1" if token in PERSONS else None, (token,), float("inf"))


class Registry:
    """What registry tells loans, as Kafka would deliver it."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._inbox = Inbox(pool, "intake", Intake(DEFINITION.listens).effect)
        self._log = uuid4()
        self._position = 0

    async def tell(self, what: str, **fields: Any) -> None:
        self._position += 1
        tag = f"registry.{what}.v1"
        now = datetime(2025, 3, 3, tzinfo=UTC)
        record = Record(
            id=UUID(int=self._position), stream=f"cli_{fields['client']}", version=self._position, log_id=self._log,
            type=tag, recorded_at=now, occurred_at=now, actor=Actor("registry"), causation_id=None,
            correlation_id=None, traceparent=None, payload=msgspec.Raw(msgspec.json.encode({"type": tag, **fields})),
        )  # fmt: skip
        await self._inbox.take([Delivered("registry", self._position, record, canonical(record))])

    async def approve(self, client: str, key: PrivateKey, *, use: str = "signature") -> None:
        await self.tell(
            "ClientKeyApproved", client=client, kid=key.public.kid, use=use,
            algorithm=ALGORITHMS[key.public.algorithm], public_key=public_jwk(key.public), approved_by="usr_1",
        )  # fmt: skip


class Owner:
    """Registry as it answers over HTTP, which may be ahead of what it has told: the keys of each client."""

    def __init__(self) -> None:
        self.keys: dict[str, list[PrivateKey]] = {}
        self.away = False
        self.asked: list[str] = []

    async def get(self, service: str, path: str) -> Any | None:
        self.asked.append(path)
        await asyncio.sleep(0.01)
        if self.away:
            raise PeerUnavailable(service)
        client = unquote(path.removeprefix("/v1/client-keys/"))
        if client not in self.keys:
            return None
        keys = [{"kid": key.public.kid, "public_key": public_jwk(key.public)} for key in self.keys[client]]
        return {"client_id": client, "keys": keys}


class Loans:
    """One process of the service."""

    def __init__(self, pool: asyncpg.Pool, directory: Path, policy: Policy) -> None:
        self.store = Store(pool, DEFINITION.aggregates, Keyring(FileMasterKey(directory / "master.key")))
        assert DEFINITION.signing is not None
        self.owner = Owner()
        known = DEFINITION.signing.key_of(self.store, cast(Peers, self.owner))
        keys = OwnKeys(directory / "message-signing", "loans")
        self.guard = Guard(known, NonceBook(pool), keys, Scribe(), policy)
        parts = SimpleNamespace(signing=self.guard)

        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            yield

        routers = [*DEFINITION.routers, signing_keys(cast(Parts, parts))]
        self.app = create_app("loans", "贷款", routers, lifespan, Metrics())
        self.app.state.verifier = AnyToken()
        self.app.state.store = self.store
        self.app.state.reader = SimpleNamespace(head=0)
        self.app.state.signing = self.guard
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=BASE)

    def signing(self, key: PrivateKey, **options: Any) -> SignedCalls:
        async def fetch(url: str) -> Any:
            return (await self.http.get(url)).json()

        return SignedCalls(key, PublishedKeys("/v1/signing-keys", fetch), **options)

    async def close(self) -> None:
        await self.http.aclose()
        await self.guard.scribe.close()


class Bank:
    """A bank with a key that registry has approved, and an entry on its whitelist."""

    def __init__(self, client: str, key: PrivateKey) -> None:
        self.client, self.key = client, key
        self.person, self.organisation = new_id("per", uuid7()), new_id("org", uuid7())

    @property
    def question(self) -> dict[str, str]:
        return {"person_id": self.person, "organisation_id": self.organisation}

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.client}"}

    async def check(self, loans: Loans, **options: Any) -> httpx.Response:
        """Signed, and its answer verified."""
        return await loans.http.post(
            "/v1/whitelist/check", json=self.question, headers=self.bearer, auth=loans.signing(self.key, **options)
        )


@pytest.fixture(scope="session")
async def template(postgres: PostgresServer) -> str:
    connection = await asyncpg.connect(postgres.dsn())
    await connection.execute(f"create database {TEMPLATE}")
    await connection.close()
    await asyncio.to_thread(migrate, "loans", postgres.dsn(TEMPLATE))
    return TEMPLATE


@pytest.fixture
async def database(postgres: PostgresServer, template: str) -> AsyncIterator[str]:
    name = f"loans_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute(f"create database {name} template {template}")
    yield postgres.dsn(name)
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()


@pytest.fixture
async def loans_pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    opened = await open_pool(database)
    yield opened
    await opened.close()


Start = Callable[..., Awaitable[Loans]]


@pytest.fixture
async def start(database: str, tmp_path: Path) -> AsyncIterator[Start]:
    """`start()`: a process of the service, with a pool of its own; several share the database and the secrets."""
    running: list[tuple[Loans, asyncpg.Pool]] = []

    async def make(policy: Policy | None = None) -> Loans:
        pool = await open_pool(database)
        running.append((Loans(pool, tmp_path, policy or Policy()), pool))
        return running[-1][0]

    yield make
    for loans, pool in running:
        await loans.close()
        await pool.close()


@pytest.fixture
async def loans(start: Start) -> Loans:
    return await start()


@pytest.fixture
async def registry(loans_pool: asyncpg.Pool) -> Registry:
    return Registry(loans_pool)


@pytest.fixture
async def banks(registry: Registry, loans_pool: asyncpg.Pool) -> dict[str, Bank]:
    """`a` signs with Ed25519, `c` with SM2."""
    made: dict[str, Bank] = {}
    for code, algorithm in (("demo-a", "ed25519"), ("demo-c", "sm2-sm3")):
        bank = Bank(f"bank:{code}", new_key(cast(Algorithm, algorithm), f"{code}-1"))
        await registry.approve(bank.client, bank.key)
        row = WhitelistRow(WhitelistEntryId(new_id("wle", uuid7())), date(2099, 3, 3))
        await loans_pool.execute(
            "insert into inline_row (view, key, value) values ($1, $2, $3)",
            WHITELIST, whitelist_key(code, bank.person, bank.organisation), msgspec.json.encode(row),
        )  # fmt: skip
        made[code[-1]] = bank
    return made
