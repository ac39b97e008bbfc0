"""The consumer: reads other services' topics into the inbox.

What counts is the inbox, and that each log is handed to it in order (`frontier.py`).
"""

import asyncio
from collections.abc import Sequence

import asyncpg
import structlog

from shared.messaging.bookmarks import Lives
from shared.messaging.frontier import Frontier, UnknownLog
from shared.messaging.inbox import Inbox
from shared.messaging.subscriber import Batches, Subscriber, without_markers
from shared.messaging.topics import Unreadable, read_message, service_of, topic_of
from shared.telemetry.traces import batch_span

SKIP_SECONDS = 10.0

log = structlog.get_logger(__name__)


class Consumer(Subscriber):
    """Reads the events of `sources`; each of their positions takes effect once, in order."""

    def __init__(self, pool: asyncpg.Pool, inbox: Inbox, sources: Sequence[str], bootstrap: str) -> None:
        super().__init__(pool, "consumer", inbox, [topic_of(source) for source in sources], bootstrap)
        self._inbox = inbox
        self._frontier = Frontier({})
        self._unreadable: dict[tuple[str, int], float] = {}
        self.refused: set[str] = set()
        """Sources whose log is not the one we know: nothing of theirs is applied until `huchuang reconcile`."""

    async def _begin(self) -> None:
        self._frontier = Frontier(await self._inbox.watermarks())
        self.refused.clear()

    async def _take(self, batches: Batches, lives: Lives) -> None:
        for messages in batches.values():
            for message in without_markers(messages):
                try:
                    self._frontier.offer(read_message(message.topic, message.headers, message.value))
                except Unreadable as error:
                    await self._park(message, error, lives)
                    self._skip_later(service_of(message.topic), error.position)
                except UnknownLog as error:
                    if error.source not in self.refused:
                        log.error("unknown_log", source=error.source, run=f"huchuang reconcile {error.source}")
                    self.refused.add(error.source)
        batch = self._frontier.ready()
        if batch:
            with batch_span("inbox process", "consumer", [item.record.traceparent for item in batch]):
                await self._inbox.take(batch)

    def _settled(self) -> bool:
        return self._frontier.waiting == 0 and not self.refused

    def _skip_later(self, source: str, position: int | None) -> None:
        if position is not None:
            self._unreadable.setdefault((source, position), asyncio.get_running_loop().time() + SKIP_SECONDS)

    async def _check(self) -> None:
        """Stop waiting for positions that stayed unreadable: a good record of that position would have come by now."""
        now = asyncio.get_running_loop().time()
        for (source, position), at in list(self._unreadable.items()):
            log_id = self._frontier.log_of(source)
            if at <= now and log_id is not None:
                del self._unreadable[source, position]
                if self._frontier.waits_for(source, position):
                    await self._inbox.skip(source, log_id, position)
                    self._frontier.skip(source, position)
        if batch := self._frontier.ready():
            await self._inbox.take(batch)
