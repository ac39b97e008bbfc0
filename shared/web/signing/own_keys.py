"""The keys with which a service signs its answers: made on first use, replaced with overlap, published.

One file of mode 0600 per key, `<algorithm>-<n>.json`, in the service's directory of secrets. Days of the wall clock: a
key signs for `VALID_DAYS`; its successor is made `OVERLAP_DAYS` before it ends, is published at once and signs a day
later, so that partners who look daily never meet an answer whose key they cannot know. What has ended stays published:
what it signed can be verified ever after.
What is withdrawn, because it is compromised, is neither: its file keeps the public part, and its number.
"""

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from shared.vault.master import kept_secret, replaced_secret
from shared.web.signing.keys import ALGORITHMS, Algorithm, PrivateKey, new_key, private_jwk, private_key, public_jwk

DAY = 86_400
VALID_DAYS, OVERLAP_DAYS, AHEAD_DAYS = 180, 30, 1
EARLIER = DAY
"""How long before it was made a first key is good: the clock may have been ahead, and be put right."""


class NoKeyNow(Exception):
    """The clock is behind the beginning of every key: it was ahead when they were made."""


class Kept(msgspec.Struct, frozen=True):
    """A key with its time, seconds since 1970: it signs from `not_before` on, until `not_after`."""

    jwk: dict[str, str]
    not_before: int
    not_after: int
    withdrawn: bool = False


class OwnKeys:
    """Reads files; `refresh` makes what is due. Two processes that make the same key at once keep the same one."""

    def __init__(self, directory: Path, service: str, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._service = service
        self._clock = clock
        self._files: dict[Algorithm, list[Kept]] = {}
        self._kept: dict[Algorithm, list[tuple[Kept, PrivateKey]]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Make first keys and successors that are due, and read what other processes have made or withdrawn."""
        self._files = {algorithm: self._read(algorithm) for algorithm in ALGORITHMS}
        self._kept = {
            algorithm: [(kept, private_key(kept.jwk)) for kept in files if not kept.withdrawn]
            for algorithm, files in self._files.items()
        }

    def _read(self, algorithm: Algorithm) -> list[Kept]:
        now = int(self._clock())
        found: list[Kept] = []
        while True:
            path = self._path(algorithm, len(found) + 1)
            last = found[-1] if found else None
            if not path.exists() and last is not None and now < last.not_after - OVERLAP_DAYS * DAY:
                break
            begins = now - EARLIER if last is None or last.not_after <= now else now + AHEAD_DAYS * DAY
            found.append(self._kept_in(path, algorithm, begins))
        return found

    def _path(self, algorithm: Algorithm, number: int) -> Path:
        return self._directory / f"{algorithm}-{number}.json"

    def _kept_in(self, path: Path, algorithm: Algorithm, begins: int) -> Kept:
        def make() -> bytes:
            key = new_key(algorithm, f"{self._service}-{path.stem}-{secrets.token_hex(4)}")
            return msgspec.json.encode(Kept(private_jwk(key), begins, begins + VALID_DAYS * DAY))

        return msgspec.json.decode(kept_secret(path, make), type=Kept)

    @property
    def in_progress(self) -> bool:
        """Whether there are keys that do not sign yet."""
        now = self._clock()
        return any(kept.not_before > now for keys in self._kept.values() for kept, _ in keys)

    def rotate(self) -> None:
        """Make successors of all keys now, which sign a day later."""
        begins = int(self._clock()) + AHEAD_DAYS * DAY
        for algorithm, files in self._files.items():
            self._kept_in(self._path(algorithm, len(files) + 1), algorithm, begins)
        self.refresh()

    def withdraw(self) -> None:
        """Take all keys away at once, for others that sign from now on: they are compromised."""
        now = int(self._clock())
        for algorithm, files in self._files.items():
            for number, kept in enumerate(files, 1):
                public = {name: value for name, value in kept.jwk.items() if name != "d"}
                gone = Kept(public, kept.not_before, min(kept.not_after, now), withdrawn=True)
                replaced_secret(self._path(algorithm, number), msgspec.json.encode(gone))
        self.refresh()

    def signing(self, algorithm: Algorithm) -> PrivateKey:
        """The newest key that has begun to sign. Raises `NoKeyNow`."""
        now, keys = self._clock(), reversed(self._kept[algorithm])
        found = next((key for kept, key in keys if kept.not_before <= now < kept.not_after), None)
        if found is None:
            raise NoKeyNow(algorithm)
        return found

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
