"""A service that writes events, and one that applies them: the real relay, consumer and inbox between them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from shared.eventstore.follower import read_checkpoint
from shared.eventstore.reader import LogReader
from shared.eventstore.store import Store
from shared.messaging import relay as relaying
from shared.messaging.consumer import Consumer
from shared.messaging.relay import Relay
from shared.messaging.topics import read_message, topic_of
from tests.integration.eventstore.commands import move, open_account, stream_of
from tests.integration.messaging.conftest import SOURCE, Diary
from tests.integration.messaging.working import at_work, in_kafka, until

Working = Sequence[asyncio.Task[Any]]
STREAMS, MOVES = 6, 60
"""What is written at once, over and over, under load."""
BREATH = 0.1
ONCE = "each event took effect once, in order"
"""What `is_whole` makes sure of, in the words of docs/reliability.md."""


class City:
    """One log, its relay, and the diary of who applies it: each event, once, in order within its stream."""

    def __init__(self, pool: asyncpg.Pool, store: Store, reader: LogReader, diary: Diary) -> None:
        self.pool = pool
        self.store = store
        self.reader = reader
        self.diary = diary

    def relay(self, bootstrap: str) -> Relay:
        return Relay(self.pool, self.reader, SOURCE, bootstrap)

    def consumer(self, bootstrap: str) -> Consumer:
        """One of those who could apply the log; of all that run, one does."""
        return Consumer(self.pool, Diary(self.pool).inbox, [SOURCE], bootstrap)

    async def write(self, streams: int, moves: int) -> int:
        """Some streams, and some events in them at once; returns how long the log is when all have a position."""
        before = self.reader.head
        made = [stream_of(await open_account(self.store, f"n{before}-{n}", f"o{before}-{n}")) for n in range(streams)]
        await asyncio.gather(*(move(self.store, made[n % streams]) for n in range(moves)))
        return await self.sequenced(before + streams + moves)

    async def sequenced(self, head: int) -> int:
        async def complete() -> bool:
            return self.reader.head >= head

        await until(complete)
        return head

    async def published(self, head: int, working: Working = ()) -> None:
        async def reached() -> bool:
            return await read_checkpoint(self.pool, relaying.READER) >= head

        await until(reached, working)

    async def applied(self, head: int, working: Working = ()) -> None:
        async def reached() -> bool:
            return (await self.diary.watermark() or 0) >= head

        await until(reached, working)

    async def incarnation(self) -> str | None:
        """That of the relay's checkpoint."""
        query = "select incarnation from checkpoint where reader = $1"
        found: str | None = await self.pool.fetchval(query, relaying.READER)
        return found

    async def other_than(self, incarnation: str | None, working: Working = ()) -> None:
        """Wait until the relay knows another incarnation."""

        async def noticed() -> bool:
            return await self.incarnation() != incarnation

        await until(noticed, working)

    async def is_whole(self, head: int) -> None:
        """Every event took effect, once, and in the order of its stream; nothing was put aside."""
        assert sorted(await self.diary.positions()) == list(range(1, head + 1))
        for stream in {item.record.stream for item in await self.reader.read(0, head)}:
            positions = await self.diary.positions(stream)
            assert positions == sorted(positions)
        assert await self.diary.parked() == []

    @asynccontextmanager
    async def under_load(self, working: Working) -> "AsyncIterator[Load]":
        """Events keep coming while the block runs; all of them are applied when it has ended."""
        load = Load(self)
        async with at_work(load.write()) as writing:
            load.working = (*working, *writing)
            yield load
            await load.end()

    async def on_broker(self, bootstrap: str, count: int) -> list[int]:
        """The positions that the topic holds, as often as it holds them, in ascending order."""
        messages = await in_kafka(bootstrap, topic_of(SOURCE), count)
        return sorted(read_message(m.topic, m.headers, m.value).position for m in messages)


class Load:
    """Events that keep coming. `head`: how long the log is with all those that have a position."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._writing = asyncio.Lock()
        self.working: Working = ()
        self.head = 0

    async def write(self) -> None:
        """Write some more events whenever those before have their positions."""
        while True:
            async with self._writing:
                self.head = await self._city.write(STREAMS, MOVES)
            await asyncio.sleep(BREATH)

    async def goes_on(self) -> None:
        """Return when events that nobody had begun to write are applied, and with them all before."""
        await self._city.applied(self._city.reader.head + 2 * (STREAMS + MOVES), self.working)

    async def end(self) -> None:
        """Write no more, and return when all is applied."""
        await self._writing.acquire()
        await self._city.applied(self.head, self.working)
