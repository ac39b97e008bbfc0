"""What a consumer notes of its reading: where it stopped, and what it came upon that is no message at all."""

from collections.abc import Mapping

import asyncpg

from shared.messaging.topics import LONGEST_NAME

Offsets = dict[tuple[str, int], int]
"""Where to read on, by (topic, partition)."""
Lives = Mapping[tuple[str, int], str]
"""The name of this life of each (topic, partition) in which something stands: see `incarnation.py`."""


class Bookmarks:
    """The bookmarks of one consumer, which names whose they are."""

    def __init__(self, pool: asyncpg.Pool, consumer: str) -> None:
        self._pool = pool
        self._consumer = consumer

    async def offsets(self, lives: Lives) -> Offsets:
        """Where reading stopped in these lives: hints, so that a restart does not read it all."""
        rows = await self._pool.fetch(
            "select topic, partition, incarnation, next_offset from consumer_offset where consumer = $1", self._consumer
        )
        places = {(row["topic"], row["partition"]): row for row in rows}
        return {at: row["next_offset"] for at, row in places.items() if lives.get(at) == row["incarnation"]}

    async def note_offsets(self, lives: Lives, offsets: Offsets) -> None:
        """Note where to read on. Losing this note only means reading again what is known already."""
        await self._pool.executemany(
            "insert into consumer_offset as o (consumer, topic, partition, incarnation, next_offset)"
            " values ($1, $2, $3, $4, $5) on conflict (consumer, topic, partition) do update"
            " set incarnation = excluded.incarnation, next_offset = excluded.next_offset"
            " where o.incarnation <> excluded.incarnation or o.next_offset < excluded.next_offset",
            [(self._consumer, *at, lives[at], offset) for at, offset in offsets.items()],
        )

    async def park_unreadable(
        self, source: str, key: str, data: bytes, reason: str, position: int | None = None
    ) -> None:
        """Put aside, once, something that is not even what its topic is for; of its key what an index can hold.

        `position`: what its header says, if anything. Which log that is of it does not say.
        """
        reason = storable(reason)
        async with self._pool.acquire() as connection, connection.transaction():
            # One that was frozen past its lease may come upon it at the same moment as its successor.
            await connection.execute("select pg_advisory_xact_lock(hashtext($1))", f"{self._consumer} {reason}")
            await connection.execute(
                "insert into parked (consumer, source, stream, record, reason, position) select $1, $2, $3, $4, $5, $6"
                " where not exists (select from parked where consumer = $1 and reason = $5)",
                self._consumer,
                source,
                storable(key[:LONGEST_NAME]),
                data,
                reason,
                position,
            )


def storable(text: str) -> str:
    """No text of PostgreSQL holds a NUL."""
    return text.replace("\0", "\ufffd")
