"""The inbox: what has been applied of other services' logs, and what could not be.

An effect and the note that it happened are one transaction. Whatever Kafka repeats, reorders or republishes, each
position of each log takes effect once. A message that cannot be handled is parked with its reason, and later ones of
its stream park behind it, so their order holds and nobody else waits.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg

from shared.eventstore.interruptions import REFUSED
from shared.eventstore.record import parse
from shared.messaging.bookmarks import Bookmarks
from shared.messaging.topics import Delivered
from shared.telemetry.errors import describe
from shared.testing.fault_points import FaultPoint, reached

Effect = Callable[[asyncpg.Connection, Sequence[Delivered]], Awaitable[None]]


LATE = "其位置因无法读取已跳过，消息迟到；同一事件流其后的消息可能已经生效"


class CannotHandle(Exception):
    """An effect's word that one message cannot be handled; it will be parked with this reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Retried(NamedTuple):
    """How many parked messages of a stream were served, how many are left, and why the first of these is."""

    served: int
    left: int
    reason: str | None


class Inbox(Bookmarks):
    """The inbox of one consumer, which names whose watermarks these are."""

    def __init__(self, pool: asyncpg.Pool, consumer: str, effect: Effect) -> None:
        super().__init__(pool, consumer)
        self._effect = effect

    async def take(self, batch: Sequence[Delivered]) -> None:
        """Apply a batch: all at once, or, when that fails, one by one so that only the culprit is parked."""
        try:
            await self._apply(batch)
        except (CannotHandle, *REFUSED):
            for item in batch:
                try:
                    await self._apply([item])
                except CannotHandle as error:
                    await self.park(item, error.reason)
                except REFUSED as error:
                    await self.park(item, describe(error))

    async def _apply(self, batch: Sequence[Delivered]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            fresh = await self._fresh(connection, batch)
            behind = await self._streams_parked(connection, fresh)
            waiting = [item for item in fresh if item.record.stream in behind]
            for item in waiting:
                await self._park_row(connection, item, "排在同一事件流已搁置的消息之后")
            ready = [item for item in fresh if item.record.stream not in behind]
            reached(FaultPoint.EFFECT_NOTED)
            if ready:
                await self._effect(connection, ready)
            reached(FaultPoint.EFFECT_MADE)
        reached(FaultPoint.EFFECT_COMMITTED)

    async def watermarks(self) -> dict[str, tuple[UUID, int]]:
        """The log of each source that is known, and up to which position all of it has been applied."""
        rows = await self._pool.fetch(
            "select source, log_id, watermark from applied where consumer = $1", self._consumer
        )
        return {row["source"]: (row["log_id"], row["watermark"]) for row in rows}

    async def unreadable(self) -> set[tuple[str, int]]:
        """The sources and positions that unreadable messages have named and that are not applied yet."""
        rows = await self._pool.fetch(
            "select source, position from parked p where consumer = $1 and log_id is null and position is not null"
            " and not exists (select from applied a"
            " where a.consumer = p.consumer and a.source = p.source and a.watermark >= p.position)",
            self._consumer,
        )
        return {(row["source"], row["position"]) for row in rows}

    async def skip(self, source: str, log_id: UUID, position: int) -> None:
        """Count a position as taken whose message could not be read; the message itself is parked."""
        async with self._pool.acquire() as connection, connection.transaction():
            if await self._watermark(connection, source, log_id) < position:
                await connection.execute(
                    "insert into applied_above (consumer, log_id, position) values ($1, $2, $3) on conflict do nothing",
                    self._consumer,
                    log_id,
                    position,
                )
                await connection.fetchval("select raise_watermark($1, $2)", self._consumer, log_id)

    async def park(self, item: Delivered, reason: str) -> None:
        """Put a message aside; its position counts as taken."""
        async with self._pool.acquire() as connection, connection.transaction():
            for fresh in await self._fresh(connection, [item]):
                await self._park_row(connection, fresh, reason)

    async def park_late(self, item: Delivered) -> None:
        """Put aside the record of a position that was skipped: what waited for it has been applied."""
        async with self._pool.acquire() as connection:
            await self._park_row(connection, item, LATE)

    async def retry(self, stream: str) -> Retried:
        """Serve what is parked of a stream, in its order, until one message cannot be handled again.

        Meanwhile `take` waits for the stream's rows, so that nothing new overtakes them and nothing parks behind none.
        """
        served = 0
        while (reason := await self._retry_first(stream)) is None:
            served += 1
        left: int = await self._pool.fetchval(
            "select count(*) from parked where consumer = $1 and stream = $2 and dropped_at is null",
            *(self._consumer, stream),
        )
        return Retried(served, left, reason or None)

    async def _retry_first(self, stream: str) -> str | None:
        """Serve the first parked message of a stream: None when that went well, else why not; empty: there is none."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                "select id, source, log_id, position, record from parked"
                " where consumer = $1 and stream = $2 and dropped_at is null order by id limit 1 for update",
                *(self._consumer, stream),
            )
            if row is None:
                return ""
            reason = await self._served(connection, row)
            if reason is None:
                await connection.execute("delete from parked where id = $1", row["id"])
            else:
                await connection.execute(
                    "update parked set attempts = attempts + 1, reason = $2 where id = $1", row["id"], reason
                )
            return reason

    async def _served(self, connection: asyncpg.Connection, row: asyncpg.Record) -> str | None:
        if row["log_id"] is None:
            return "无法读取的消息不能重试，只能丢弃"
        try:
            item = Delivered(row["source"], row["position"], parse(row["record"]), row["record"])
            async with connection.transaction():
                await self._effect(connection, [item])
                reached(FaultPoint.RETRY_MADE)
        except CannotHandle as error:
            return error.reason
        except REFUSED as error:
            return describe(error)
        return None

    async def _park_row(self, connection: asyncpg.Connection, item: Delivered, reason: str) -> None:
        await connection.execute(
            "insert into parked (consumer, source, stream, log_id, position, record, reason)"
            " values ($1, $2, $3, $4, $5, $6, $7)",
            self._consumer,
            item.source,
            item.record.stream,
            item.log_id,
            item.position,
            item.data,
            reason,
        )

    async def _streams_parked(self, connection: asyncpg.Connection, batch: Sequence[Delivered]) -> set[str]:
        """Those of which something is parked; their rows are locked, so that a `retry` ends before or begins after."""
        rows = await connection.fetch(
            "select stream from parked where consumer = $1 and dropped_at is null and stream = any ($2)"
            " order by id for update",
            self._consumer,
            [item.record.stream for item in batch],
        )
        return {row["stream"] for row in rows}

    async def _fresh(self, connection: asyncpg.Connection, batch: Sequence[Delivered]) -> list[Delivered]:
        """Those of the batch that have not been applied, now noted as applied in this transaction."""
        fresh: list[Delivered] = []
        by_log: dict[tuple[str, UUID], dict[int, Delivered]] = {}
        for item in batch:
            by_log.setdefault((item.source, item.log_id), {}).setdefault(item.position, item)
        for (source, log_id), items in sorted(by_log.items(), key=lambda pair: str(pair[0])):
            watermark = await self._watermark(connection, source, log_id)
            later = {position: item for position, item in items.items() if position > watermark}
            if later and not await self._raised(connection, log_id, watermark, later):
                later = await self._noted_above(connection, log_id, later)
            fresh += later.values()
        return fresh

    async def _raised(
        self, connection: asyncpg.Connection, log_id: UUID, watermark: int, positions: Collection[int]
    ) -> bool:
        """Raise the watermark, whose row is locked, over positions that join it without a gap, if none are above it.

        So it is with every batch that a frontier hands on; the rows above the watermark are for all else.
        """
        end = watermark + len(positions)
        if max(positions) != end:
            return False
        done: str = await connection.execute(
            "update applied set watermark = $3 where consumer = $1 and log_id = $2"
            " and not exists (select from applied_above where consumer = $1 and log_id = $2)",
            *(self._consumer, log_id, end),
        )
        return done == "UPDATE 1"

    async def _noted_above(
        self, connection: asyncpg.Connection, log_id: UUID, items: dict[int, Delivered]
    ) -> dict[int, Delivered]:
        """Note positions above the watermark, and raise it as far as that goes; those that had not been noted."""
        rows = await connection.fetch(
            "insert into applied_above (consumer, log_id, position) select $1, $2, unnest($3::bigint[])"
            " on conflict do nothing returning position",
            *(self._consumer, log_id, sorted(items)),
        )
        await connection.fetchval("select raise_watermark($1, $2)", self._consumer, log_id)
        new = {row["position"] for row in rows}
        return {position: item for position, item in items.items() if position in new}

    async def _watermark(self, connection: asyncpg.Connection, source: str, log_id: UUID) -> int:
        """The watermark of a log, its row locked. A second log of one source is refused."""
        known = "select watermark from applied where consumer = $1 and log_id = $2 for update"
        watermark: int | None = await connection.fetchval(known, self._consumer, log_id)
        if watermark is None:
            await connection.execute(
                "insert into applied (consumer, log_id, source) select $1, $2, $3"
                " where not exists (select from applied where consumer = $1 and source = $3)"
                " on conflict do nothing",
                *(self._consumer, log_id, source),
            )
            watermark = await connection.fetchval(known, self._consumer, log_id)
        if watermark is None:
            raise CannotHandle(f"未知的日志编号（来源 {source}）：数据库若已更换，请恢复备份后运行 huchuang reconcile")
        return watermark
