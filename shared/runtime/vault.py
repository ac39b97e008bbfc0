"""The vault's life in a service: its master key is rotated on demand, and what is over is destroyed."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from shared.runtime.long_work import Progress
from shared.vault.master import REFRESH_SECONDS, MasterKey
from shared.vault.rotation import KEEP, Rewrapped, Wrapped, destroy_expired, rewrap

ROTATION = "master-key-rotation"
SERVES = timedelta(days=30)
"""How long a master key serves before it is replaced by itself."""


class RotationAsked(msgspec.Struct, frozen=True):
    """`replaces` (hex) is how everything begins that the key wraps which is to be replaced: asked twice, done once."""

    replaces: str


class Vault:
    """What wraps a service's secrets, and where they are."""

    def __init__(self, pool: asyncpg.Pool, master: MasterKey, wrapped: Sequence[Wrapped]) -> None:
        self._pool = pool
        self._master = master
        self._wrapped = wrapped

    def rotation(self) -> RotationAsked:
        """What to ask for, to replace the key that is the current one now."""
        return RotationAsked(self._master.current().hex())

    async def rotate(self, input: bytes, progress: Progress) -> dict[str, Any]:
        """Replace the master key and wrap everything under its successor. Begun again, it goes on."""
        if self._master.current().hex() == msgspec.json.decode(input, type=RotationAsked).replaces:
            self._master.rotate()
        values, unreadable = 0, 0
        while True:  # commands that were decided before the others noticed may still come in
            await asyncio.sleep(REFRESH_SECONDS)
            found = await self._pass(progress, values)
            values, unreadable = values + found.values, found.unreadable
            if not found.values:
                break
        until = datetime.now(UTC) + KEEP
        self._master.retire(until)
        return {"rewrapped": values, "unreadable": unreadable, "replaced_key_kept_until": until}

    async def _pass(self, progress: Progress, before: int) -> Rewrapped:
        """Wrap all that there is under an older key."""
        values, unreadable = 0, 0
        for place in self._wrapped:
            done_before = before + values

            async def tell(done: int, done_before: int = done_before) -> None:
                await progress.tell(done_before + done)

            found = await rewrap(self._pool, self._master, place, tell)
            values, unreadable = values + found.values, unreadable + found.unreadable
        return Rewrapped(values, unreadable)

    def is_due(self) -> bool:
        """Whether the current master key has served long enough: old copies of the database go dark only with it."""
        return datetime.now(UTC) - self._master.current_since() > SERVES

    async def sweep(self) -> None:
        """Destroy the master keys whose time is over."""
        await destroy_expired(self._pool, self._master, self._wrapped, datetime.now(UTC))
