"""The keys with which a service signs its answers: made on first use, replaced with overlap, published.

One file of mode 0600 per key, `<algorithm>-<n>.json`, in the service's directory of secrets. Days of the wall clock: a
key signs for `VALID_DAYS`; its successor is made `OVERLAP_DAYS` before it ends, is published at once and signs a day
later, so that partners who look daily never meet an answer whose key they cannot know. What has ended stays published:
what it signed can be verified ever after.
"""

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from shared.vault.master import kept_secret
from shared.web.signing.keys import ALGORITHMS, Algorithm, PrivateKey, new_key, private_jwk, private_key, public_jwk

DAY = 86_400
VALID_DAYS, OVERLAP_DAYS, AHEAD_DAYS = 180, 30, 1


class Kept(msgspec.Struct, frozen=True):
    """A key with its time, seconds since 1970: it signs from `not_before` on, until `not_after`."""

    jwk: dict[str, str]
    not_before: int
    not_after: int


class OwnKeys:
    """Reads files; `refresh` makes what is due. Two processes that make the same key at once keep the same one."""

    def __init__(self, directory: Path, service: str, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._service = service
        self._clock = clock
        self._kept: dict[Algorithm, list[tuple[Kept, PrivateKey]]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Make first keys and successors that are due, and read what other processes have made."""
        self._kept = {algorithm: self._read(algorithm) for algorithm in ALGORITHMS}

    def _read(self, algorithm: Algorithm) -> list[tuple[Kept, PrivateKey]]:
        now = int(self._clock())
        found: list[Kept] = []
        while True:
            path = self._directory / f"{algorithm}-{len(found) + 1}.json"
            last = found[-1] if found else None
            if not path.exists() and last is not None and now < last.not_after - OVERLAP_DAYS * DAY:
                break
            begins = now if last is None or last.not_after <= now else now + AHEAD_DAYS * DAY
            found.append(self._kept_in(path, algorithm, begins))
        return [(kept, private_key(kept.jwk)) for kept in found]

    def _kept_in(self, path: Path, algorithm: Algorithm, begins: int) -> Kept:
        def make() -> bytes:
            key = new_key(algorithm, f"{self._service}-{path.stem}-{secrets.token_hex(4)}")
            return msgspec.json.encode(Kept(private_jwk(key), begins, begins + VALID_DAYS * DAY))

        return msgspec.json.decode(kept_secret(path, make), type=Kept)

    def signing(self, algorithm: Algorithm) -> PrivateKey:
        """The newest key that has begun to sign."""
        now = self._clock()
        return next(key for kept, key in reversed(self._kept[algorithm]) if kept.not_before <= now < kept.not_after)

    def published(self) -> list[dict[str, str | int]]:
        """Public JWKs with their time: `nbf`, `exp`, and the name of the algorithm in HTTP signatures."""
        return [
            {
                **public_jwk(key.public),
                "use": "sig",
                "http_signature_algorithm": algorithm,
                "nbf": kept.not_before,
                "exp": kept.not_after,
            }
            for algorithm, keys in self._kept.items()
            for kept, key in keys
        ]
