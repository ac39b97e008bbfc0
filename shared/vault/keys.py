"""Per-subject keys: what makes personal data readable, and what destroying makes it unreadable for good."""

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from shared.values.personal import Clear, Sealed
from shared.values.randomness import random_bytes

ALGORITHM = "sm4-gcm"
_NONCE = 12
_TAG = 16
KEY_CACHE_SECONDS = 60.0
KEY_BYTES = 16


class Unreadable(Exception):
    """A box that its key does not open: another key, other associated data, or changed bytes."""


def seal_bytes(key: bytes, clear: bytes, associated: bytes) -> bytes:
    """SM4-GCM (GB/T 32907, RFC 8998): nonce, ciphertext and tag in one box."""
    nonce = random_bytes(_NONCE)
    encryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(associated)
    return nonce + encryptor.update(clear) + encryptor.finalize() + encryptor.tag


def open_bytes(key: bytes, box: bytes, associated: bytes) -> bytes:
    """The inverse of `seal_bytes`. Raises `Unreadable`."""
    nonce, body, tag = box[:_NONCE], box[_NONCE:-_TAG], box[-_TAG:]
    try:
        decryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce, tag)).decryptor()
        decryptor.authenticate_additional_data(associated)
        return decryptor.update(body) + decryptor.finalize()
    except (InvalidTag, ValueError) as error:
        raise Unreadable from error


class MasterKey(Protocol):
    """What wraps the subjects' keys: a file here, an HSM where there is one."""

    def wrap(self, key: bytes, subject: str) -> bytes: ...

    def unwrap(self, wrapped: bytes, subject: str) -> bytes: ...

    def derived(self, purpose: bytes) -> bytes:
        """A key of 32 bytes for one purpose, from which the master key cannot be told."""
        ...


def kept_secret(path: Path, make: Callable[[], bytes]) -> bytes:
    """The secret in a file of mode 0600, made on first use; of two processes that make it at once one wins."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        mine = path.with_name(f".{path.name}.{os.getpid()}.new")
        with os.fdopen(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(mine, path)
        mine.unlink()
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)  # a database must not outlive the name of the key that opens it
        finally:
            os.close(directory)
    return path.read_bytes()


class FileMasterKey:
    """A master key kept in a file of mode 0600, made on first use."""

    def __init__(self, path: Path) -> None:
        self._key = kept_secret(path, lambda: os.urandom(KEY_BYTES))
        if len(self._key) != KEY_BYTES:
            raise ValueError(f"{path} is no master key: {len(self._key)} bytes instead of {KEY_BYTES}")

    def wrap(self, key: bytes, subject: str) -> bytes:
        return seal_bytes(self._key, key, subject.encode())

    def unwrap(self, wrapped: bytes, subject: str) -> bytes:
        return open_bytes(self._key, wrapped, subject.encode())

    def derived(self, purpose: bytes) -> bytes:
        return hashlib.blake2b(purpose, digest_size=32, key=self._key).digest()


class Keyring:
    """Unwraps and caches subjects' keys, for at most `KEY_CACHE_SECONDS`, and seals and opens with them."""

    def __init__(self, master: MasterKey) -> None:
        self._master = master
        self._cache: dict[str, tuple[float, bytes, bytes]] = {}

    def new_key(self, subject: str) -> tuple[bytes, bytes]:
        """A fresh key for a subject: (key, wrapped key)."""
        key = random_bytes(16)
        return key, self._master.wrap(key, subject)

    def key(self, subject: str, wrapped: bytes) -> bytes:
        now = time.monotonic()
        cached = self._cache.get(subject)
        if cached is not None and cached[0] > now and cached[1] == wrapped:
            return cached[2]
        key = self._master.unwrap(wrapped, subject)
        if len(self._cache) >= 10_000:
            self._cache.clear()
        self._cache[subject] = (now + KEY_CACHE_SECONDS, wrapped, key)
        return key

    def forget(self, subject: str) -> None:
        """Drop a cached key: called when it is destroyed."""
        self._cache.pop(subject, None)

    def fingerprint(self, *parts: bytes) -> bytes:
        """What tells two requests apart; keyed, because a body may be personal and easy to guess."""
        digest = hashlib.blake2b(digest_size=16, key=self._master.derived(b"request-fingerprint"))
        for part in parts:
            digest.update(len(part).to_bytes(4, "big"))
            digest.update(part)
        return digest.digest()

    def seal_answer(self, clear: bytes, key_of: str) -> bytes:
        """Seal a stored answer under the master key, bound to its idempotency key."""
        return self._master.wrap(clear, key_of)

    def open_answer(self, box: bytes, key_of: str) -> bytes:
        return self._master.unwrap(box, key_of)


def associated_data(event_id: UUID, field: int) -> bytes:
    """What a sealed value is bound to: its event and its number within it."""
    return event_id.bytes + field.to_bytes(2, "big")


def seal(key: bytes, value: Clear[Any], event_id: UUID, field: int) -> Sealed[Any]:
    box = seal_bytes(key, msgspec.json.encode(value.value), associated_data(event_id, field))
    return Sealed(value.subject, ALGORITHM, field, box)


def unseal(key: bytes, value: Sealed[Any], event_id: UUID) -> Any:
    """The clear value. Raises `Unreadable`."""
    if value.algorithm != ALGORITHM:
        raise Unreadable(f"unknown algorithm {value.algorithm}")
    return msgspec.json.decode(open_bytes(key, value.box, associated_data(event_id, value.field)))
