"""Sends cases as somebody whom the operation admits, banks with their signatures."""

import asyncio
import random
from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Any

import httpx
import requests
from schemathesis import Case

from deploy.local.client import SIGNED, signed_calls
from deploy.local.endpoints import Endpoints
from shared.web.signing.client import Untrusted
from tests.e2e.caller import Caller, Minter
from tests.e2e.realistic import OTHERS, known_ids

OUR_OWN = ("content-length", "authorization")
"""Header fields that are not left to chance."""
OFTEN = 0.8


class Sent:
    """An answer, and whether it was signed where it had to be."""

    def __init__(self, answer: httpx.Response, *, trusted: bool) -> None:
        self.answer = answer
        self.trusted = trusted


class Sender:
    """Speaks HTTP from the tests' thread, which runs no event loop of its own."""

    def __init__(self, runner: asyncio.Runner, endpoints: Endpoints, mint: Minter, chance: random.Random) -> None:
        self._runner = runner
        self._endpoints = endpoints
        self._mint = mint
        self._random = chance
        self._http = runner.run(_opened())
        self._signing = signed_calls(endpoints, self._http)

    def close(self) -> None:
        self._runner.run(self._http.aclose())

    def known_ids(self) -> dict[str, list[str]]:
        """The ids that there are in the stack, and other values that lead somewhere."""
        ids = self._runner.run(known_ids(Caller(self._http, self._endpoints))).ids
        return {name: values for name, values in OTHERS.items() if values != ["none"]} | ids

    def send(self, service: str, case: Case[Any], near: Collection[str] = ()) -> Sent | None:
        """Send one case; None for what cannot be sent over HTTP at all. `near`: districts, codes that it is about."""
        kwargs = case.as_transport_kwargs(base_url=self._endpoints.services[service])
        kwargs.pop("timeout", None)
        try:
            prepared = requests.Request(**kwargs).prepare()
            headers = [(_bytes(k), _bytes(v)) for k, v in prepared.headers.items() if k.lower() not in OUR_OWN]
            body: Any = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body
            assert prepared.method is not None
            assert prepared.url is not None
            request = httpx.Request(prepared.method, prepared.url, headers=headers, content=body)
            return self._sent(service, self._role(case.operation.definition.raw["x-roles"], near), request)
        except (requests.RequestException, httpx.InvalidURL, httpx.LocalProtocolError, UnicodeError):
            return None

    def get(self, service: str, path: str, roles: list[str]) -> Sent:
        return self._sent(service, self._role(roles), httpx.Request("GET", self._endpoints.services[service] + path))

    def _sent(self, service: str, role: str | None, request: httpx.Request) -> Sent:
        auth = None
        if role is not None:
            token = self._endpoints.tokens.get(role) or self._mint(role, kind="system")
            request.headers["authorization"] = f"Bearer {token}"
            auth = self._signing.get(role) if service == SIGNED else None
        try:
            return Sent(self._runner.run(self._http.send(request, auth=auth)), trusted=True)
        except Untrusted as untrusted:
            return Sent(untrusted.response, trusted=False)

    def _role(self, patterns: list[str], near: Collection[str] = ()) -> str | None:
        """Somebody whom the operation admits, often one whose district or code is near."""
        if "public" in patterns:
            return None
        known = [name for name in self._endpoints.tokens if any(fnmatchcase(name, pattern) for pattern in patterns)]
        nearby = [name for name in known if name.partition(":")[2].partition("/")[0] in near]
        if nearby and self._random.random() < OFTEN:
            return self._random.choice(nearby)
        return self._random.choice(known) if known else patterns[0].replace("*", "subsidy")


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


async def _opened() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=30.0, trust_env=False)
