"""The public APIs as the sandbox's roles call them: patient with a stack in which parts are being killed."""

import asyncio
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid5

import httpx

from deploy.local.bank_keys import key_in
from deploy.local.clients import SignedIn
from deploy.local.endpoints import Endpoints
from deploy.local.failures import StackFailed
from shared.web.signing.client import PublishedKeys, SignedCalls, Untrusted

PATIENCE = 120.0
PAUSE = 0.2
TOKENS = 4
"""How many are tried before a 401 is believed: clocks that are set end tokens before their time."""
AT_ONCE = 16
AGAIN = frozenset({502, 503, 504})
SIGNED = "loans"
"""The service that exchanges signed messages with banks."""
KEYS = UUID("2d9b1f0e-6a57-5c37-8f2f-5f7f5c0a9d11")


class Refused(StackFailed):
    """A service answered with a problem that the caller did not expect."""


class Answer:
    """An answer: its status, its bytes and its JSON."""

    def __init__(self, status: int, content: bytes) -> None:
        self.status = status
        self.content = content
        self.body: Any = json.loads(content) if content else None

    @property
    def id(self) -> str:
        return str(self.body["id"])

    @property
    def code(self) -> str | None:
        """The stable code of a problem document."""
        return self.body.get("code") if isinstance(self.body, dict) else None


def signed_calls(endpoints: Endpoints, http: httpx.AsyncClient) -> dict[str, SignedCalls]:
    """How each bank of the sandbox calls: it signs, and trusts nothing that is not signed."""

    async def fetch(url: str) -> Any:
        return (await http.get(url)).raise_for_status().json()

    theirs = PublishedKeys(f"{endpoints.services.get(SIGNED)}/v1/signing-keys", fetch)
    return {role: SignedCalls(key_in(Path(file)), theirs) for role, file in endpoints.signing_keys.items()}


class Client:
    """One HTTP client for all services and roles.

    With `signed_in` every role signs in as it would in the city; without, the sandbox's ready tokens are used.
    Every POST carries an idempotency key made from `run` and the step's name, so that it can be sent again after a
    time-out, a restart or a 503 without taking effect twice.
    """

    def __init__(self, endpoints: Endpoints, run: str, signed_in: SignedIn | None = None) -> None:
        self.endpoints = endpoints
        self._signed_in = signed_in
        self._run = run
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(20.0, connect=2.0), trust_env=False)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._signing = signed_calls(endpoints, self._http)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def post(
        self, role: str, service: str, path: str, body: object | None = None, *, step: str, expect: tuple[int, ...] = ()
    ) -> Answer:
        """Post as `role`. Raises `Refused` for a problem whose status is not in `expect`."""
        key = str(uuid5(KEYS, f"{self._run}/{step}"))
        return await self._send("POST", role, service, path, body, {"idempotency-key": key}, expect)

    async def get(
        self, role: str, service: str, path: str, *, expect: tuple[int, ...] = (), token: str | None = None
    ) -> Answer:
        headers = {} if token is None else {"consistency-token": token}
        return await self._send("GET", role, service, path, None, headers, expect)

    async def all(self, role: str, service: str, path: str) -> list[Any]:
        """Every item of a list, page after page."""
        items: list[Any] = []
        cursor: str | None = None
        while True:
            joint = "&" if "?" in path else "?"
            url = f"{path}{joint}limit=200" + (f"&cursor={cursor}" if cursor else "")
            page = (await self.get(role, service, url)).body
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                return items

    async def _token(self, role: str) -> str:
        if self._signed_in is not None:
            return await self._signed_in.token(self._http, role)
        return self.endpoints.tokens[role]

    def _forgot(self, role: str, token: str, response: httpx.Response) -> bool:
        """Whether the token was refused and another may be asked for."""
        if response.status_code != httpx.codes.UNAUTHORIZED or self._signed_in is None:
            return False
        self._signed_in.forget(role, token)
        return True

    async def _send(
        self,
        method: str,
        role: str,
        service: str,
        path: str,
        body: object | None,
        headers: dict[str, str],
        expect: tuple[int, ...],
    ) -> Answer:
        url = self.endpoints.services[service] + path
        auth = self._signing.get(role) if service == SIGNED else None
        deadline = asyncio.get_running_loop().time() + PATIENCE
        tokens = TOKENS
        while True:
            try:
                async with self._slots:
                    token = await self._token(role)
                    headers = {**headers, "authorization": f"Bearer {token}"}
                    response = await self._http.request(method, url, json=body, headers=headers, auth=auth)
            except Untrusted as untrusted:
                if tokens > 1 and self._forgot(role, token, untrusted.response):
                    tokens -= 1
                    continue
                if untrusted.response.status_code not in AGAIN or asyncio.get_running_loop().time() > deadline:
                    raise Refused(f"{role}: {method} {path.partition('?')[0]}: {untrusted}") from untrusted
                await asyncio.sleep(PAUSE)
                continue
            except httpx.TransportError as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise StackFailed(f"{service} does not answer: {type(error).__name__}") from error
                await asyncio.sleep(PAUSE)
                continue
            answer = Answer(response.status_code, response.content)
            waits = response.status_code in AGAIN or answer.code == "request_in_progress"
            if waits and asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(PAUSE)
                continue
            if response.is_success or response.status_code in expect:
                return answer
            if tokens > 1 and self._forgot(role, token, response):
                tokens -= 1
                continue
            raise Refused(f"{role}: {method} {path.partition('?')[0]}: {response.status_code} {response.text[:500]}")
