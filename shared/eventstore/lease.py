"""Leader election: one holder at a time, told apart from former ones by an epoch."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg

TTL = timedelta(seconds=3)


class Lease:
    """A lease on one piece of work, kept alive by `held()`.

    A holder that is frozen past the TTL loses the lease without noticing; whatever it writes afterwards carries
    the old epoch and is refused by the table that checks it.
    """

    def __init__(self, pool: asyncpg.Pool, name: str) -> None:
        self._pool = pool
        self._name = name
        self._holder = uuid4()
        self._renew_at = 0.0
        self.epoch: int | None = None

    async def held(self) -> int | None:
        """The epoch when we hold the lease, else None. Asks the database about once a second."""
        now = asyncio.get_running_loop().time()
        if self.epoch is None or now >= self._renew_at:
            self.epoch = await self._pool.fetchval("select claim_lease($1, $2, $3)", self._name, self._holder, TTL)
            self._renew_at = now + TTL.total_seconds() / 3
        return self.epoch

    def lost(self) -> None:
        """Forget the lease: the database said that our epoch is over."""
        self.epoch = None

    async def give_up(self) -> None:
        """Let the next one start at once."""
        if self.epoch is not None:
            self.epoch = None
            await self._pool.execute(
                "update lease set expires_at = '-infinity' where name = $1 and holder = $2", self._name, self._holder
            )
