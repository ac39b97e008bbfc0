"""The keys that sign access tokens: published before they sign, and until what they signed last has expired."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import msgspec
from joserfc.jwk import OKPKey

from shared.values.ids import uuid7
from shared.vault.keys import Keyring, secret_context
from shared.vault.rotation import Wrapped

ALGORITHM: Final = "Ed25519"
TOKEN_SECONDS = 600
LEAD = timedelta(minutes=5)
"""How long a key is published before it signs: longer than anybody keeps our keys without looking again."""
KEPT = timedelta(seconds=TOKEN_SECONDS + 120)
"""How long a key stays published after the next one signs: a token's life, and the processes' `RELOAD_SECONDS`."""
AGE = timedelta(days=30)
"""The age at which a key is replaced without being asked."""
RELOAD_SECONDS = 10.0
WRAPPED = Wrapped("signing_key", ("kid",), "private_key", secret_context)
"""What has to be wrapped anew when the master key is rotated."""


class SigningKey(msgspec.Struct, frozen=True):
    kid: str
    public_key: dict[str, Any]
    box: bytes
    published_at: datetime
    signs_from: datetime


class SigningKeys:
    """The keys in the registry's table, as this process saw them at most `RELOAD_SECONDS` ago.

    Private keys are opened on use and kept for as long as they are in the table.
    """

    def __init__(
        self, pool: asyncpg.Pool, keyring: Keyring, wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._pool = pool
        self._keyring = keyring
        self._wall = wall
        self._keys: list[SigningKey] = []
        self._loaded_at = float("-inf")
        self._opened: dict[str, OKPKey] = {}

    async def signer(self) -> OKPKey:
        """The key that signs now; the first one is made when there is none."""
        now = self._wall()
        keys = await self._known()
        chosen = next((key for key in reversed(keys) if key.signs_from <= now), keys[0])
        opened = self._opened.get(chosen.kid)
        if opened is None:
            clear = self._keyring.open_secret(chosen.box, chosen.kid)
            opened = self._opened[chosen.kid] = OKPKey.import_key(msgspec.json.decode(clear))
        return opened

    async def published(self) -> list[dict[str, Any]]:
        """The public JWKs that may verify a token now or soon, oldest first: as the table has them, not as we saw it.

        What another process has withdrawn must not be shown for another moment.
        """
        self._loaded_at = float("-inf")
        now = self._wall()
        keys = await self._known()
        over = sum(later.signs_from + KEPT <= now for later in keys[1:])
        return [key.public_key for key in keys[over:]]

    async def in_progress(self) -> bool:
        """Whether the newest key does not sign yet."""
        await self.published()
        return self._keys[-1].signs_from > self._wall()

    async def rotate(self, age: timedelta = timedelta(0)) -> bool:
        """Publish a new key unless the newest is younger than `age` or does not sign yet."""
        added: bool = await self._pool.fetchval("select add_signing_key($1, $2, $3, $4, $5)", *self._made(), LEAD, age)
        self._loaded_at = float("-inf")
        return added

    async def withdraw(self) -> None:
        """Take all keys away at once, for one that signs from now on: they are compromised."""
        await self._pool.execute("select withdraw_signing_keys($1, $2, $3)", *self._made())
        self._loaded_at = float("-inf")
        self._opened.clear()

    def _made(self) -> tuple[str, str, bytes]:
        """A new key: its name, its public JWK, and the private one, sealed."""
        kid = f"registry-{uuid7()}"
        key = OKPKey.generate_key(ALGORITHM, {"kid": kid, "use": "sig", "alg": ALGORITHM})
        box = self._keyring.seal_secret(msgspec.json.encode(key.as_dict(private=True)), kid)
        return kid, msgspec.json.encode(key.as_dict(private=False)).decode(), box

    async def _known(self) -> list[SigningKey]:
        if self._loaded_at + RELOAD_SECONDS < time.monotonic():
            keys = await self._read()
            if not keys or keys[-1].published_at + AGE < self._wall():
                await self.rotate(AGE)
                keys = await self._read()
            self._keys, self._loaded_at = keys, time.monotonic()
        return self._keys

    async def _read(self) -> list[SigningKey]:
        rows = await self._pool.fetch("select * from signing_key order by signs_from")
        return [
            SigningKey(
                row["kid"],
                msgspec.json.decode(row["public_key"]),
                row["private_key"],
                row["published_at"],
                row["signs_from"],
            )
            for row in rows
        ]
