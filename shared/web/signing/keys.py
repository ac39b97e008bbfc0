"""Signature keys: Ed25519 (RFC 8032) and SM2 with SM3 (GB/T 32918.2), read from and written as JWKs.

`sm2-sm3` is not in IANA's registry of HTTP signature algorithms; between us and our partners it stands for: SM2 on the
recommended curve (GB/T 32918.5), digest SM3 over Z and the signature base, user id `1234567812345678`, and as the
signature r and s, 32 bytes each, big-endian (no DER).
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from gmssl_pyx import InvalidValueError, normalize_sm2_public_key, sm2_key_generate

from shared.web.signing.digests import sm3

Algorithm = Literal["ed25519", "sm2-sm3"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)

USER_ID = b"1234567812345678"
_CURVE = bytes.fromhex(
    "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc"  # a
    "28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93"  # b
    "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7"  # Gx
    "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0"  # Gy
)
_KINDS: dict[tuple[str | None, str | None], Algorithm] = {("OKP", "Ed25519"): "ed25519", ("EC", "SM2"): "sm2-sm3"}


class UnusableKey(ValueError):
    """A JWK that is neither Ed25519 nor SM2, or whose numbers are none of such a key."""


class PublicKey(NamedTuple):
    """`raw`: 32 bytes for Ed25519; x and y, 32 bytes each, for SM2."""

    kid: str
    algorithm: Algorithm
    raw: bytes


class PrivateKey(NamedTuple):
    """`raw`: 32 bytes, the seed of Ed25519 or the number d of SM2."""

    public: PublicKey
    raw: bytes

    def __repr__(self) -> str:
        return f"PrivateKey({self.public.kid!r})"


def public_key(jwk: Mapping[str, str], kid: str | None = None) -> PublicKey:
    """The key of a JWK. `kid` goes before the JWK's own. Raises `UnusableKey`."""
    algorithm = _KINDS.get((jwk.get("kty"), jwk.get("crv")))
    if algorithm is None:
        raise UnusableKey(f"neither Ed25519 nor SM2: {jwk.get('kty')} {jwk.get('crv')}")
    raw = _number(jwk, "x") + (_number(jwk, "y") if algorithm == "sm2-sm3" else b"")
    if algorithm == "sm2-sm3":
        try:
            normalize_sm2_public_key(raw)
        except InvalidValueError as error:
            raise UnusableKey("no point of the SM2 curve") from error
    return PublicKey(kid or jwk.get("kid", ""), algorithm, raw)


def private_key(jwk: Mapping[str, str]) -> PrivateKey:
    """Raises `UnusableKey`."""
    return PrivateKey(public_key(jwk), _number(jwk, "d"))


def new_key(algorithm: Algorithm, kid: str) -> PrivateKey:
    if algorithm == "ed25519":
        made = Ed25519PrivateKey.generate()
        return PrivateKey(PublicKey(kid, algorithm, made.public_key().public_bytes_raw()), made.private_bytes_raw())
    point, number = sm2_key_generate()
    return PrivateKey(PublicKey(kid, algorithm, point), number)


def public_jwk(key: PublicKey) -> dict[str, str]:
    if key.algorithm == "ed25519":
        return {"kty": "OKP", "crv": "Ed25519", "x": _text(key.raw), "kid": key.kid}
    return {"kty": "EC", "crv": "SM2", "x": _text(key.raw[:32]), "y": _text(key.raw[32:]), "kid": key.kid}


def private_jwk(key: PrivateKey) -> dict[str, str]:
    return {**public_jwk(key.public), "d": _text(key.raw)}


def sign_ed25519(key: PrivateKey, message: bytes) -> bytes:
    return _ed25519(key.raw).sign(message)


def verify_ed25519(key: PublicKey, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def sm2_digest(key: PublicKey, message: bytes) -> bytes:
    """e = SM3(Z ‖ M), what an SM2 signature is over (GB/T 32918.2 sections 5.5 and 6.1)."""
    return sm3(_z(key.raw) + message)


@lru_cache(maxsize=1024)
def _z(point: bytes) -> bytes:
    return sm3((len(USER_ID) * 8).to_bytes(2, "big") + USER_ID + _CURVE + point)


@lru_cache(maxsize=64)
def _ed25519(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)


def _text(number: bytes) -> str:
    return urlsafe_b64encode(number).rstrip(b"=").decode()


def _number(jwk: Mapping[str, str], name: str) -> bytes:
    text = jwk.get(name)
    try:
        number = urlsafe_b64decode(text + "==") if isinstance(text, str) else b""
    except (binascii.Error, ValueError) as error:
        raise UnusableKey(f"{name} is not base64url") from error
    if len(number) != 32:
        raise UnusableKey(f"{name} must be 32 bytes")
    return number
