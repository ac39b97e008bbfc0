"""Asking another service over HTTP: a fact that has not arrived yet, or personal data for a stated purpose."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
import msgspec
import stamina
from joserfc.jwk import OKPKey

from shared.eventstore.decider import FieldError
from shared.eventstore.interruptions import AskLater
from shared.runtime.settings import Settings
from shared.web.client_key import KEY_FILE, client_key, token_request
from shared.web.problem import MEDIA_TYPE, Problem

TIMEOUT = httpx.Timeout(3.0, connect=1.0)
SPARE_SECONDS = 60
"""How long before its end a token is replaced."""
AWAY_SECONDS = 1.0
"""How long a service that could not be reached is left alone: many may want to ask it, and each would wait."""

T = TypeVar("T")


class PeerUnavailable(AskLater):
    """The other service did not answer in time; ask again later."""


class PeerRefused(PeerUnavailable):
    """The other service says that the question is wrong (422), and why: the same when it is asked again."""

    def __init__(self, message: str, problem: Problem) -> None:
        super().__init__(message)
        self.problem = problem


class Granted(msgspec.Struct):
    """An access token, as registry grants it (RFC 6749, 5.1)."""

    access_token: str
    expires_in: float


class Told(msgspec.Struct):
    """A problem document (RFC 9457), as far as it is passed on."""

    code: str
    detail: str
    errors: tuple[FieldError, ...] = ()


class Peers:
    """One HTTP client for all other services. Reads are retried; what acts carries an idempotency key."""

    def __init__(self, settings: Settings, service: str) -> None:
        self._settings = settings
        self._service = service
        self._client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)
        self._key: OKPKey | None = None
        self._token = ""
        self._good_until = float("-inf")
        self._asking = asyncio.Lock()
        self._away_until: dict[str, float] = {}

    async def get(self, service: str, path: str) -> Any | None:
        """The JSON at a path of another service, or None for its 404. Raises `PeerUnavailable`, `PeerRefused`."""
        return await self._ask("GET", service, path, None, None)

    async def post(self, service: str, path: str, body: object, key: str | None = None) -> Any | None:
        """Post and return the answer's JSON, or None for 404. `key` makes it safe to repeat."""
        return await self._ask("POST", service, path, msgspec.json.encode(body), key)

    async def _ask(self, method: str, service: str, path: str, body: bytes | None, key: str | None) -> Any | None:
        response = await self._sent(method, service, path, body, key)
        if response.status_code == 401:  # the keys of tokens were withdrawn: nothing was done, a new token is asked for
            self._good_until = float("-inf")
            response = await self._sent(method, service, path, body, key)
        if response.status_code == 404:
            return None
        if response.status_code == 422 and response.headers.get("content-type") == MEDIA_TYPE:
            raise PeerRefused(f"{service}: 422", _of_answer(service, response))
        if response.status_code >= 400:
            raise PeerUnavailable(f"{service}: {response.status_code}")
        return _read(service, response, Any)

    async def _sent(self, method: str, service: str, path: str, body: bytes | None, key: str | None) -> httpx.Response:
        headers = {"authorization": f"Bearer {await self._bearer()}"}
        if body is not None:
            headers["content-type"] = "application/json"
        if key is not None:
            headers["idempotency-key"] = key
        url = self._settings.services[service] + path
        attempts = 3 if method == "GET" or key is not None else 1
        with self._reaching(service):
            async for attempt in stamina.retry_context(httpx.TransportError, attempts=attempts, timeout=3.0):
                with attempt:
                    return await self._client.request(method, url, content=body, headers=headers)
        raise AssertionError("an attempt answers or raises")

    @contextmanager
    def _reaching(self, service: str) -> Iterator[None]:
        """Raises `PeerUnavailable` where the service cannot be reached, and at once where it could not just now."""
        if time.monotonic() < self._away_until.get(service, float("-inf")):
            raise PeerUnavailable(f"{service}: away")
        try:
            yield
        except httpx.TransportError as error:
            self._away_until[service] = time.monotonic() + AWAY_SECONDS
            raise PeerUnavailable(f"{service}: {type(error).__name__}") from error

    async def _bearer(self) -> str:
        """An access token of this service, role `service:<name>`; several that want one wait for the same."""
        if self._good_until < time.monotonic():
            async with self._asking:
                if self._good_until < time.monotonic():
                    await self._ask_for_token()
        return self._token

    async def _ask_for_token(self) -> None:
        settings = self._settings
        if self._key is None:
            self._key = client_key(settings.secret(self._service, KEY_FILE))
        with self._reaching("registry"):
            form = token_request(self._key, f"service:{self._service}", settings.authority)
            answer = await self._client.post(f"{settings.services['registry']}/oauth2/token", data=form)
        if answer.status_code != 200:
            raise PeerUnavailable(f"registry gives no token: {answer.status_code}")
        granted = _read("registry", answer, Granted)
        self._token = granted.access_token
        self._good_until = time.monotonic() + granted.expires_in - SPARE_SECONDS

    async def close(self) -> None:
        await self._client.aclose()


def _of_answer(service: str, response: httpx.Response) -> Problem:
    """The problem that another service answered with, its fields included. Raises `PeerUnavailable`."""
    told = _read(service, response, Told)
    return Problem(response.status_code, told.code, told.detail, fields=told.errors)


def _read(service: str, response: httpx.Response, type: type[T]) -> T:
    """What an answer says. Raises `PeerUnavailable`: who answers otherwise is not the service, or not itself."""
    try:
        return msgspec.json.decode(response.content, type=type)
    except msgspec.MsgspecError as error:
        raise PeerUnavailable(f"{service}: {response.status_code}, unreadable") from error
