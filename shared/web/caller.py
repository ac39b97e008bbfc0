"""Callers: who signs in (systems and people), and which of them a route lets in."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from fastapi import Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from shared.eventstore.record import Actor
from shared.web.problem import Problem

ALGORITHMS = ["Ed25519", "ES256"]
CACHED_TOKENS = 10_000

C = TypeVar("C", bound=Callable[..., Any])


class Caller(msgspec.Struct, frozen=True):
    """An authenticated caller. `user` is a natural person's id, None for a system."""

    client: str
    user: str | None
    roles: tuple[str, ...]
    expires_at: float

    def holds(self, pattern: str) -> bool:
        """Whether one of the caller's roles matches, such as `district:*/reviewer`."""
        return any(fnmatchcase(role, pattern) for role in self.roles)

    def named(self, kind: str) -> tuple[str, ...]:
        """What the caller may act for: `named("bank")` of `bank:demo-a` is `("demo-a",)`."""
        return tuple(role[len(kind) + 1 :].split("/")[0] for role in self.roles if role.startswith(f"{kind}:"))

    def actor(self, on_behalf_of: str | None = None) -> Actor:
        return Actor(self.client, self.user, on_behalf_of)

    @property
    def key_space(self) -> str:
        """Whose idempotency keys and operations these are: people who share a client share neither."""
        return self.client if self.user is None else f"{self.client}/{self.user}"

    @property
    def person(self) -> str:
        """The natural person who decides. Raises a 403 for a system."""
        if self.user is None:
            raise Problem(403, "person_required", "这项决定须由经办人本人登录后作出")
        return self.user


class Verifier:
    """Verifies tokens against an issuer's keys; verified ones are cached until they expire."""

    def __init__(self, jwks: Path, issuer: str, audience: str) -> None:
        self._keys = KeySet.import_key_set(msgspec.json.decode(jwks.read_bytes()))
        self._claims = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        self._cache: OrderedDict[bytes, Caller] = OrderedDict()

    def verify(self, token: str) -> Caller:
        """The caller of a bearer token. Raises a 401 problem."""
        name = blake2b(token.encode(), digest_size=16).digest()
        caller = self._cache.get(name)
        if caller is None:
            caller = self._verify(token)
            self._cache[name] = caller
            if len(self._cache) > CACHED_TOKENS:
                self._cache.popitem(last=False)
        if caller.expires_at <= time.time():
            raise unauthenticated("token_expired", "登录凭证已过期")
        return caller

    def _verify(self, token: str) -> Caller:
        try:
            decoded = jwt.decode(token, self._keys, algorithms=ALGORITHMS)
            self._claims.validate(decoded.claims)
        except (JoseError, ValueError, KeyError) as error:
            raise unauthenticated("token_invalid", "登录凭证无效") from error
        claims = decoded.claims
        person = claims.get("kind") == "person"
        return Caller(
            client=str(claims.get("client_id") or claims["sub"]),
            user=str(claims["sub"]) if person else None,
            roles=tuple(str(role) for role in claims.get("roles", ())),
            expires_at=float(claims["exp"]),
        )


def unauthenticated(code: str, detail: str) -> Problem:
    return Problem(401, code, detail, headers={"WWW-Authenticate": 'Bearer realm="huchuang"'})


PUBLIC = "public"
EVERYONE = (
    "app", "bank:*", "carrier:*", "institution:*", "evaluator:*", "district:*/*", "city", "finance/*", "policy",
    "policy/*", "auditor", "ops", "service:*",
)  # fmt: skip
"""Whoever has signed in."""


def allow(*patterns: str) -> Callable[[C], C]:
    """Declare who may call an endpoint: role patterns, or `PUBLIC`. An endpoint without it does not start."""

    def mark(endpoint: C) -> C:
        endpoint.__allowed__ = patterns  # type: ignore[attr-defined]
        return endpoint

    return mark


def allowed(endpoint: Callable[..., Any]) -> Sequence[str]:
    patterns: Sequence[str] | None = getattr(endpoint, "__allowed__", None)
    if not patterns:
        raise TypeError(f"{endpoint.__qualname__} declares no scope: put @allow(...) on it")
    return patterns


def caller_of(request: Request) -> Caller:
    """The caller of a request on a route that is not public."""
    caller: Caller = request.scope["caller"]
    return caller


@lru_cache(maxsize=4096)
def _matches(roles: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(role, pattern) for role in roles for pattern in patterns)


def admit(request: Request, patterns: Sequence[str]) -> None:
    """Let the caller in or raise 401 or 403."""
    if PUBLIC in patterns:
        return
    header = next((value for name, value in request.scope["headers"] if name == b"authorization"), None)
    if header is None:
        raise unauthenticated("token_missing", "请先登录：缺少 Authorization 请求头")
    scheme, _, token = header.decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthenticated("token_invalid", "Authorization 请求头须为 Bearer 凭证")
    verifier: Verifier = request.app.state.verifier
    caller = verifier.verify(token)
    if not _matches(caller.roles, tuple(patterns)):
        raise Problem(403, "not_allowed", "当前身份无权使用此接口")
    request.scope["caller"] = caller
