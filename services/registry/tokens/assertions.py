"""Client assertions (RFC 7523): who a system says it is, and whether it may say so."""

import re
import time
from base64 import urlsafe_b64decode
from functools import cache
from typing import Any, NamedTuple

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from services.registry.domain.client import ClientKey

ALGORITHMS = ("Ed25519", "ES256")
MOST_SECONDS = 300
"""How far ahead an assertion's `exp` may be."""
SKEW_SECONDS = 30
"""How far a client's clock may be ahead of ours, for `iat` and `nbf`; `exp` is held against ours alone."""
MOST_BYTES = 8192

CLIENT = re.compile(r"[a-z0-9:-]{1,64}")
JTI = re.compile(r"[\x21-\x7e]{1,255}")

Key = OKPKey | ECKey


class Claimed(NamedTuple):
    """What an assertion says before anything of it is believed."""

    client: str
    algorithm: str
    kid: str


class Assertion(NamedTuple):
    """A verified assertion; `expires_at` in seconds since 1970."""

    jti: str
    expires_at: float


def claimed(text: str) -> Claimed | None:
    """Who an assertion says that it is from, None when it is none at all."""
    try:
        if len(text) > MOST_BYTES:
            return None
        header, payload = (_part(part) for part in text.split(".")[:2])
    except (ValueError, RecursionError, msgspec.DecodeError):
        return None
    client, algorithm, kid = payload.get("iss"), header.get("alg"), header.get("kid")
    if not (isinstance(client, str) and isinstance(kid, str) and algorithm in ALGORITHMS and CLIENT.fullmatch(client)):
        return None
    return Claimed(client, algorithm, kid)


def _part(text: str) -> dict[str, Any]:
    return msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=dict[str, Any])


def verified(text: str, said: Claimed, key: ClientKey | None, audiences: list[str]) -> Assertion | None:
    """The assertion if it holds under the client's key.

    Without a usable key it is held against one of ours, so that the answer, and the time that it takes, are the same
    whether or not there is such a client.
    """
    usable = key if key is not None and key.algorithm == said.algorithm else None
    now = time.time()
    try:
        decoded = jwt.decode(text, _imported(usable, said.algorithm), algorithms=[said.algorithm])
        _registry(said.client, audiences, int(now)).validate(decoded.claims)
    except (JoseError, ValueError):
        return None
    jti, expires_at = decoded.claims["jti"], decoded.claims["exp"]
    if usable is None or not now < expires_at <= now + MOST_SECONDS or not isinstance(jti, str):
        return None
    return Assertion(jti, expires_at) if JTI.fullmatch(jti) else None


def _registry(client: str, audiences: list[str], now: int) -> jwt.JWTClaimsRegistry:
    return jwt.JWTClaimsRegistry(
        now=now,
        leeway=SKEW_SECONDS,
        iss={"essential": True, "value": client},
        sub={"essential": True, "value": client},
        aud={"essential": True, "values": audiences},
        exp={"essential": True},
        jti={"essential": True},
    )


def _imported(key: ClientKey | None, algorithm: str) -> Key:
    kind = OKPKey if algorithm == "Ed25519" else ECKey
    return kind.import_key(dict(_decoy(algorithm) if key is None else key.public_key))


@cache
def _decoy(algorithm: str) -> dict[str, str]:
    key = OKPKey.generate_key("Ed25519") if algorithm == "Ed25519" else ECKey.generate_key("P-256")
    return {name: str(value) for name, value in key.as_dict(private=False).items()}
