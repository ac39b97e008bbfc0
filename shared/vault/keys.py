"""Per-subject keys: what makes personal data readable, and what destroying makes it unreadable for good."""

import hashlib
import time
from typing import Any
from uuid import UUID

import msgspec

from shared.values.personal import Clear, Sealed
from shared.values.randomness import random_bytes
from shared.vault.boxes import Unreadable, open_bytes, seal_bytes
from shared.vault.master import KEY_BYTES, MasterKey

ALGORITHM = "sm4-gcm"
KEY_CACHE_SECONDS = 60.0


class Keyring:
    """Unwraps and caches subjects' keys, for at most `KEY_CACHE_SECONDS`, and seals and opens with them."""

    def __init__(self, master: MasterKey) -> None:
        self.master = master
        self._cache: dict[str, tuple[float, bytes, bytes]] = {}

    def new_key(self, subject: str) -> tuple[bytes, bytes]:
        """A fresh key for a subject: (key, wrapped key)."""
        key = random_bytes(KEY_BYTES)
        return key, self.master.wrap(key, subject)

    def key(self, subject: str, wrapped: bytes) -> bytes:
        now = time.monotonic()
        cached = self._cache.get(subject)
        if cached is not None and cached[0] > now and cached[1] == wrapped:
            return cached[2]
        key = self.master.unwrap(wrapped, subject)
        if len(self._cache) >= 10_000:
            self._cache.clear()
        self._cache[subject] = (now + KEY_CACHE_SECONDS, wrapped, key)
        return key

    def forget(self, subject: str) -> None:
        """Drop a cached key: called when it is destroyed."""
        self._cache.pop(subject, None)

    def fingerprint(self, *parts: bytes) -> bytes:
        """What tells two requests apart; keyed, because a body may be personal and easy to guess."""
        digest = hashlib.blake2b(digest_size=16, key=self.master.derived(b"request-fingerprint"))
        for part in parts:
            digest.update(len(part).to_bytes(4, "big"))
            digest.update(part)
        return digest.digest()

    def seal_secret(self, clear: bytes, name: str) -> bytes:
        """Seal a secret of the service itself under the master key, bound to its name."""
        return self.master.wrap(clear, secret_context(name))

    def open_secret(self, box: bytes, name: str) -> bytes:
        """The inverse of `seal_secret`. Raises `Unreadable`."""
        return self.master.unwrap(box, secret_context(name))

    def seal_answer(self, clear: bytes, key_of: str) -> bytes:
        """Seal a stored answer under the master key, bound to its idempotency key."""
        return self.master.wrap(clear, key_of)

    def open_answer(self, box: bytes, key_of: str) -> bytes:
        return self.master.unwrap(box, key_of)


def secret_context(name: str) -> str:
    """What a secret of the service itself is bound to."""
    return f"secret:{name}"


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
