"""Signatures of webhooks (standardwebhooks.com): `v1`, HMAC-SHA256 with a shared secret, and `v1a`, Ed25519 (RFC 8032).

What is signed is `id.timestamp.body`. Ids have no full stop, so that none of the three can lend the next its beginning.
"""

import re
import secrets as randomness
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from standardwebhooks import Webhook

Algorithm = Literal["v1", "v1a"]
Code = Literal["webhook_missing", "webhook_malformed", "webhook_stale", "webhook_future", "webhook_wrong"]

SECRET, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"

_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_TIMESTAMP = re.compile(r"0|[1-9][0-9]{0,11}")
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_SIGNATURES = 16


class NotGenuine(Exception):
    """A message that is not to be believed. `code` is stable: missing, malformed, stale, future or wrong."""

    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self.code: Code = code


def new_secret(algorithm: Algorithm) -> str:
    """A random secret to sign with: `whsec_` and 32 bytes, or `whsk_` and an Ed25519 key, seed and public part."""
    if algorithm == "v1":
        return _written(SECRET, randomness.token_bytes(32))
    key = Ed25519PrivateKey.generate()
    return _written(PRIVATE, key.private_bytes_raw() + key.public_key().public_bytes_raw())


def public_key_of(secret: str) -> str | None:
    """The `whpk_` key that verifies what a `whsk_` one signs, None for a `whsec_` secret. Raises `ValueError`."""
    if secret.startswith(SECRET):
        return None
    return _written(PUBLIC, _private(secret).public_key().public_bytes_raw())


def signed_headers(secrets: Sequence[str], id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three fields of a message, signed with every one of `secrets`, which are given newest first.

    Raises `ValueError` for no secret or an unusable one, an id of other characters than `A-Za-z0-9_-`, a time without
    a zone, and a body that is not UTF-8.
    """
    if not secrets:
        raise ValueError("nothing to sign with")
    if not _ID.fullmatch(id):
        raise ValueError("an id is 1 to 200 of A-Z, a-z, 0-9, _ and -")
    seconds = _since_beginning(at) // timedelta(seconds=1)
    signatures = [_signature(secret, id, seconds, body) for secret in secrets]
    return {ID: id, TIMESTAMP: str(seconds), SIGNATURE: " ".join(signatures)}


def verify(
    key: str, headers: Mapping[str, str], body: bytes, now: datetime, tolerance: timedelta = timedelta(minutes=5)
) -> str:
    """The id of a genuine message, by which its receiver leaves out repetitions. `key`: `whsec_…` or `whpk_…`.

    Raises `NotGenuine`, and `ValueError` for an unusable key or a `now` without a zone.
    """
    passed = _since_beginning(now)
    fields = {name.lower(): value for name, value in headers.items()}
    id, timestamp, signatures = (fields.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    if not (id and timestamp and signatures):
        raise NotGenuine("webhook_missing")
    if not (_ID.fullmatch(id) and _TIMESTAMP.fullmatch(timestamp)):
        raise NotGenuine("webhook_malformed")
    seconds = int(timestamp)
    age = passed - timedelta(seconds=seconds)
    if age > tolerance:
        raise NotGenuine("webhook_stale")
    if age < -tolerance:
        raise NotGenuine("webhook_future")
    if not _signed(key, id, seconds, body, signatures):
        raise NotGenuine("webhook_wrong")
    return id


def _signed(key: str, id: str, seconds: int, body: bytes, signatures: str) -> bool:
    version = "v1" if key.startswith(SECRET) else "v1a"
    public = None if version == "v1" else Ed25519PublicKey.from_public_bytes(_read(PUBLIC, key, 32, 32))
    try:
        expected = b"" if public else _raw(_v1(key, id, seconds, body))
    except UnicodeDecodeError:  # nothing that is signed is not UTF-8
        return False
    given = [_raw(one) for one in signatures.split(" ")[:_MOST_SIGNATURES] if one.startswith(f"{version},")]
    if public is None:
        return any(compare_digest(expected, one) for one in given)
    return any(_verified(public, one, _to_be_signed(id, seconds, body)) for one in given)


def _verified(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _signature(secret: str, id: str, seconds: int, body: bytes) -> str:
    if secret.startswith(SECRET):
        return _v1(secret, id, seconds, body)
    body.decode()  # what one kind refuses, both do
    return "v1a," + b64encode(_private(secret).sign(_to_be_signed(id, seconds, body))).decode()


def _v1(secret: str, id: str, seconds: int, body: bytes) -> str:
    at = _BEGINNING + timedelta(seconds=seconds)  # in UTC: the library takes a clock's figures as they stand
    return Webhook(_read(SECRET, secret, 24, 64)).sign(id, at, body.decode())


def _to_be_signed(id: str, seconds: int, body: bytes) -> bytes:
    return f"{id}.{seconds}.".encode() + body


def _private(secret: str) -> Ed25519PrivateKey:
    """Of the seed alone, or of the seed and the public part behind it."""
    raw = _read(PRIVATE, secret, 32, 64)
    key = Ed25519PrivateKey.from_private_bytes(raw[:32])
    if raw[32:] not in (b"", key.public_key().public_bytes_raw()):
        raise ValueError(f"the halves of a {PRIVATE} key do not belong together")
    return key


def _read(prefix: str, text: str, least: int, most: int) -> bytes:
    """The bytes of a written key. Raises `ValueError`, in which nothing of it is repeated."""
    unusable = ValueError(f"not {prefix} and base64 of {least} to {most} bytes")
    if not text.startswith(prefix):
        raise unusable
    try:
        raw = b64decode(text.removeprefix(prefix), validate=True)
    except ValueError:  # `binascii.Error`, or characters that are not ASCII
        raise unusable from None
    if not least <= len(raw) <= most:
        raise unusable
    return raw


def _written(prefix: str, raw: bytes) -> str:
    return prefix + b64encode(raw).decode()


def _raw(signature: str) -> bytes:
    """The bytes of `version,base64`; none where it is not base64, which then fits nothing."""
    try:
        return b64decode(signature.partition(",")[2], validate=True)
    except ValueError:  # `binascii.Error`, or characters that are not ASCII
        return b""


def _since_beginning(at: datetime) -> timedelta:
    if at.utcoffset() is None:
        raise ValueError("a time without a zone")
    return at - _BEGINNING
