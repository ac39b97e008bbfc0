"""Leader election: one holder at a time, told apart from former ones by an epoch."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Self
from uuid import uuid4

import asyncpg
import structlog

from shared.eventstore.interruptions import DATABASE
from shared.telemetry.errors import describe

TTL = timedelta(seconds=3)
STANDBY_SECONDS = 0.5
"""How often those who do not hold a lease ask for it."""
INTERRUPTED_SECONDS = 0.2

log = structlog.get_logger(__name__)


class Lease:
    """A lease on one piece of work, kept alive by `held()`, and given up at the end of an `async with`.

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

    async def repeat(
        self, turn: Callable[[], Awaitable[object]], interruptions: tuple[type[Exception], ...] = DATABASE
    ) -> None:
        """Take one turn after another until cancelled; `turn` asks for the lease and waits when there is no work.

        What interrupts a turn costs the lease and a moment, and the next turn begins.
        """
        while True:
            try:
                await turn()
            except interruptions as error:
                log.warning("work_interrupted", work=self._name, error=describe(error))
                self.lost()
                await asyncio.sleep(INTERRUPTED_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.shield(self.retire())

    async def retire(self) -> None:
        """Give up the lease, or let it run out where the database is away."""
        try:
            await self.give_up()
        except DATABASE as error:
            log.info("lease_not_given_up", work=self._name, error=describe(error))

    async def give_up(self) -> None:
        """Let the next one start at once."""
        if self.epoch is not None:
            self.epoch = None
            await self._pool.execute(
                "update lease set expires_at = '-infinity' where name = $1 and holder = $2", self._name, self._holder
            )
