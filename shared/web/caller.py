"""Callers: who signs in (systems and people), and which of them a route lets in."""

import re
import time
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec
from fastapi import Request
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import Key

from shared.eventstore.record import Actor
from shared.runtime.settings import CallerKind, IssuerSettings
from shared.web.decoys import decoy_key
from shared.web.issuers import Issuer, KeysWanted
from shared.web.problem import Problem
from shared.web.rates import limit

CACHED_TOKENS = 10_000
STAFF = frozenset({"district", "city", "finance", "policy", "auditor", "ops"})
"""What people can be."""
SKEW_SECONDS = 60
"""How far an issuer's clock may be ahead of ours."""
TOKEN_LENGTH = 8192
"""The longest token that is looked at, in characters."""

C = TypeVar("C", bound=Callable[..., Any])


class Caller(msgspec.Struct, frozen=True):
    """An authenticated caller. `user` is a natural person's id, None for a system.

    `acr` says how surely a person has signed in, `auth_time` when (seconds since 1970).
    """

    client: str
    user: str | None
    roles: tuple[str, ...]
    expires_at: float
    acr: str | None = None
    auth_time: float | None = None

    def holds(self, pattern: str) -> bool:
        """Whether one of the caller's roles matches, such as `district:*/reviewer`."""
        return any(fnmatchcase(role, pattern) for role in self.roles)

    def named(self, kind: str) -> tuple[str, ...]:
        """What the caller may act for: `named("bank")` of `bank:demo-a` is `("demo-a",)`."""
        return tuple(role[len(kind) + 1 :].split("/")[0] for role in self.roles if role.startswith(f"{kind}:"))

    def actor(self, on_behalf_of: str | None = None) -> Actor:
        return Actor(self.client, self.user, on_behalf_of)

    @property
    def kind(self) -> str:
        """What kind of caller it is, for its rate: `person`, or a system's kind such as `bank`."""
        return "person" if self.user is not None else self.client.partition(":")[0]

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
    """Verifies tokens of several issuers; verified ones are cached until they expire or a key is withdrawn."""

    def __init__(self, issuers: Iterable[Issuer]) -> None:
        self._issuers = {issuer.settings.name: issuer for issuer in issuers}
        self._cache: OrderedDict[bytes, Caller] = OrderedDict()
        for issuer in self._issuers.values():
            issuer.when_withdrawn(self._cache.clear)
            for algorithm in issuer.settings.algorithms:
                decoy_key(algorithm)  # made now, not while a stranger waits

    def verify(self, token: str) -> Caller:
        """The caller of a bearer token. Raises a 401 problem, or `KeysWanted` (see `verified`)."""
        name = blake2b(token.encode(), digest_size=16).digest()
        caller = self._cache.get(name)
        if caller is None:
            caller = self._verify(token)
            self._cache[name] = caller
            if len(self._cache) > CACHED_TOKENS:
                self._cache.popitem(last=False)
        if caller.expires_at <= time.time():
            raise _expired()
        return caller

    async def verified(self, token: str) -> Caller:
        """The same, and the issuer is asked for its keys where that is needed. Raises a 503 when it is away."""
        while True:
            try:
                return self.verify(token)
            except KeysWanted as wanted:
                await wanted.issuer.fetch()

    def _verify(self, token: str) -> Caller:
        try:
            if len(token) > TOKEN_LENGTH:
                raise ValueError("length")
            header, payload = (_part(part) for part in token.split(".")[:2])
            issuer = self._issuers[str(payload.get("iss"))]
            kid, algorithms = header.get("kid"), issuer.settings.algorithms
            algorithm = str(header.get("alg"))
            if not isinstance(kid, str | None) or algorithm not in algorithms:
                raise ValueError("header")
            key = _key_or_none(issuer, kid, algorithm)
            decoded = jwt.decode(token, key or decoy_key(algorithm), algorithms=list(algorithms))
            if key is None:
                raise ValueError("kid")
            _registry(issuer.settings).validate(decoded.claims)
            return _caller(issuer.settings, decoded.header, decoded.claims)
        except ExpiredTokenError as error:
            raise _expired() from error
        except (JoseError, ValueError, KeyError, RecursionError, msgspec.DecodeError) as error:
            raise unauthenticated("token_invalid", "登录凭证无效") from error


def _key_or_none(issuer: Issuer, kid: str | None, algorithm: str) -> Key | None:
    try:
        return issuer.key(kid, algorithm)
    except KeyError:
        return None


def _part(text: str) -> dict[str, Any]:
    return msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=dict[str, Any])


def _registry(settings: IssuerSettings) -> jwt.JWTClaimsRegistry:
    return jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": settings.name},
        aud={"essential": True, "value": settings.audience},
        exp={"essential": True},
        sub={"essential": True},
    )


def _caller(settings: IssuerSettings, header: dict[str, Any], claims: dict[str, Any]) -> Caller:
    """Who a verified token speaks of. Raises ValueError for a token of another type than the issuer's, RFC 9068."""
    kind = str(header.get("typ", "")).lower().removeprefix("application/")
    if settings.token_type is not None and kind != settings.token_type:
        raise ValueError("typ")
    person = _kind(settings, claims) == "person"
    roles, auth_time = claims.get("roles"), claims.get("auth_time")
    return Caller(
        client=str(claims.get("client_id") or claims["sub"]),
        user=str(claims["sub"]) if person else None,
        roles=tuple(str(role) for role in roles if _may_hold(person, str(role))) if isinstance(roles, list) else (),
        expires_at=float(claims["exp"]),
        acr=str(claims["acr"]) if person and "acr" in claims else None,
        auth_time=_signed_in_at(settings, auth_time) if person else None,
    )


def _signed_in_at(settings: IssuerSettings, claim: object) -> float | None:
    """When a person signed in, as far as it can be believed: nobody has signed in in time to come."""
    if not isinstance(claim, int | float):
        return None
    return float(claim) if settings.foretells or claim <= time.time() + SKEW_SECONDS else None


def _may_hold(person: bool, role: str) -> bool:
    """No provider's mapping of roles makes a person a system."""
    return not person or re.split("[:/]", role)[0] in STAFF


def _kind(settings: IssuerSettings, claims: dict[str, Any]) -> CallerKind:
    """Whom the token is for; an issuer that vouches for both says so in `kind`.

    Raises ValueError where it says that a client who signed in for somebody else is a system (RFC 9068 section 2.2).
    """
    [first, *others] = settings.vouches_for
    if not others:
        return first
    if claims.get("kind") == "person":
        return "person"
    if claims.get("client_id", claims["sub"]) != claims["sub"]:
        raise ValueError("kind")
    return "system"


def _expired() -> Problem:
    return unauthenticated("token_expired", "登录凭证已过期")


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


async def admit_asking(request: Request, patterns: Sequence[str]) -> None:
    """As `admit`, for a caller whose issuer has to be asked for its keys first."""
    while True:
        try:
            return admit(request, patterns)
        except KeysWanted as wanted:
            await wanted.issuer.fetch()


def admit(request: Request, patterns: Sequence[str]) -> None:
    """Let the caller in or raise 401, 403 or 429, or `KeysWanted`."""
    if PUBLIC in patterns:
        _count_stranger(request)
        return
    try:
        caller = _signed_in(request)
    except Problem:
        _count_stranger(request)  # whoever tries tokens is counted as what he is
        raise
    limit(request.scope, request.app.state.rates, caller.kind, caller.key_space)
    if not _matches(caller.roles, tuple(patterns)):
        raise Problem(403, "not_allowed", "当前身份无权使用此接口")
    request.scope["caller"] = caller


def _count_stranger(request: Request) -> None:
    address = request.client.host if request.client else ""
    limit(request.scope, request.app.state.rates, PUBLIC, address)


def _signed_in(request: Request) -> Caller:
    """Who the bearer token is for. Raises a 401 problem, or `KeysWanted`."""
    given = [value for name, value in request.scope["headers"] if name == b"authorization"]
    if not given:
        raise unauthenticated("token_missing", "请先登录：缺少 Authorization 请求头")
    scheme, _, token = given[0].decode("latin-1").partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or not token:
        raise unauthenticated("token_invalid", "Authorization 请求头须为一个 Bearer 凭证")
    verifier: Verifier = request.app.state.verifier
    return verifier.verify(token)
