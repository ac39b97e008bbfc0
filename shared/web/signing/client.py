"""A partner's side: `httpx.AsyncClient(auth=SignedCalls(…))` signs each request and believes only signed answers."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any
from urllib.parse import urlsplit

import httpx

from shared.web.signing.keys import PrivateKey, PublicKey, UnusableKey, public_key
from shared.web.signing.messages import Request, Response, joined
from shared.web.signing.profile import Policy
from shared.web.signing.refusals import Refused
from shared.web.signing.requests import LABEL, sign_request
from shared.web.signing.responses import verify_response
from shared.web.signing.scribe import Hand, PlainHand

LOOK_AGAIN = 60.0
"""Seconds between two looks at the other side's keys on account of a key id that is not among them."""


KEPT = 300.0
"""Seconds for which the other side's keys are believed unseen: one that is withdrawn is believed no longer then."""


class Untrusted(Exception):
    """An answer that is not signed as it must be. What it says is kept for whoever looks for the fault."""

    def __init__(self, refused: Refused, response: httpx.Response) -> None:
        super().__init__(f"{refused.code}: {response.status_code} {response.text[:300]}")
        self.code = refused.code
        self.response = response


class PublishedKeys:
    """The other side's keys as it publishes them at `url`; who serves them is vouched for by TLS."""

    def __init__(
        self, url: str, fetch: Callable[[str], Awaitable[Any]], clock: Callable[[], float] = time.time
    ) -> None:
        self._url = url
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, tuple[PublicKey, int, int]] = {}
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()

    async def __call__(self, kid: str) -> PublicKey | None:
        """The key, if it is valid now."""
        now = self._clock()
        if self._wanting(kid, now):
            async with self._looking:
                if self._wanting(kid, now):
                    self._keys = dict(_read(await self._fetch(self._url)))
                    self._looked_at = now
        key, begins, ends = self._keys.get(kid, (None, 0, 0))
        return key if begins <= now < ends else None

    def _wanting(self, kid: str, now: float) -> bool:
        return now - self._looked_at >= (KEPT if kid in self._keys else LOOK_AGAIN)


def _read(document: Any) -> Generator[tuple[str, tuple[PublicKey, int, int]]]:
    for jwk in document["keys"]:
        try:
            yield jwk["kid"], (public_key(jwk), int(jwk["nbf"]), int(jwk["exp"]))
        except UnusableKey:
            continue


class SignedCalls(httpx.Auth):
    """Signs with `key`; verifies answers with `key_of`, the other side's keys by id.

    Raises `Untrusted` for an answer without a valid signature, bound to this request and of this key's algorithm.
    """

    requires_request_body = True

    def __init__(
        self,
        key: PrivateKey,
        key_of: Callable[[str], Awaitable[PublicKey | None]],
        *,
        hand: Hand | None = None,
        policy: Policy | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._key = key
        self._key_of = key_of
        self._hand = hand or PlainHand()
        self._policy = policy or Policy()
        self._clock = clock

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        raise RuntimeError("SignedCalls needs an httpx.AsyncClient")

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        body = await request.aread()
        seen = seen_request(request)
        added = await sign_request(seen, body, self._key, self._hand, self._policy, self._clock())
        request.headers.update(added)
        response = yield request
        content = await response.aread()
        answer = Response(response.status_code, joined(response.headers.items()), seen_request(request))
        try:
            await verify_response(
                answer,
                content,
                LABEL,
                self._key.public.algorithm,
                self._key_of,
                self._hand,
                self._policy,
                self._clock(),
            )
        except Refused as refused:
            raise Untrusted(refused, response) from None


def seen_request(request: httpx.Request) -> Request:
    """The request as it goes over the wire."""
    path, _, query = request.url.raw_path.decode("ascii").partition("?")
    headers = joined(request.headers.items())
    return Request(request.method, request.url.scheme, urlsplit(str(request.url)).netloc, path, query, headers)
