"""The consumer: reads other services' topics into the inbox.

What counts is the inbox, and that each log is handed to it in order (`frontier.py`).
"""

from collections.abc import Sequence
from time import monotonic
from typing import NamedTuple

import asyncpg
import structlog
from aiokafka.structs import ConsumerRecord

from shared.messaging.bookmarks import Lives
from shared.messaging.frontier import Frontier, Gap, UnknownLog
from shared.messaging.inbox import Inbox
from shared.messaging.reader import Batches
from shared.messaging.strays import Passed, Stray, Strays
from shared.messaging.subscriber import Subscriber, without_markers
from shared.messaging.topics import Unreadable, read_message, service_of, topic_of
from shared.telemetry.traces import batch_span

Position = tuple[str, int]
"""A source, and a position in its log."""
SKIP_CHECKS = 10
"""How often in a row all partitions have to have been reached before a position counts as lost: a second apart."""
WARN_SECONDS = 60.0
ADVICE = (
    "another log's messages are in its topic and are not applied. Strays are parked once its own log goes on; if its"
    " database was changed for another, bring it back: huchuang restore --other-log, then huchuang reconcile"
)
"""What there is to do about an unknown log."""

log = structlog.get_logger(__name__)


class Waiting(NamedTuple):
    """How many records of a source wait for an earlier one, for how long nothing of it has been handed on, and whether
    messages of another log stand in its topic."""

    records: int
    seconds: float
    refused: bool = False


class Consumer(Subscriber):
    """Reads the events of `sources`; each of their positions takes effect once, in order."""

    def __init__(self, pool: asyncpg.Pool, inbox: Inbox, sources: Sequence[str], bootstrap: str) -> None:
        super().__init__(pool, "consumer", inbox, [topic_of(source) for source in sources], bootstrap)
        self._inbox = inbox
        self._sources = sources
        self._frontier = Frontier({})
        self._checks = 0
        self._unreadable: dict[Position, int] = {}
        """Positions that headers of unreadable messages named, and at which check they were known. A good record of
        one may come all the same."""
        self._waited_for: dict[Position, int] = {}
        """Since which check records have waited for a position."""
        self._skipped: set[Position] = set()
        """Positions whose record may come late, for as long as this process reads."""
        self._strays = Strays()
        self._warned: set[Position] = set()

    async def _begin(self) -> None:
        self._frontier = Frontier(await self._inbox.watermarks())
        self._unreadable = dict.fromkeys(await self._inbox.unreadable(), self._checks)
        self._waited_for, self._skipped = {}, set()

    def _end(self) -> None:
        self._frontier = Frontier({})
        self._strays = Strays()

    @property
    def refused(self) -> set[str]:
        """Sources in whose topic another log stands than the one we know; nothing of that one is applied."""
        return self._strays.sources

    @property
    def changed(self) -> set[str]:
        """Those of `refused` of which so much has come that their database was changed, as far as we can tell."""
        return self._strays.many

    @property
    def waiting(self) -> dict[str, Waiting]:
        """What waits of each source: none where this process does not read."""
        now = monotonic()
        gaps = {gap.source: (gap.waiting, now - gap.since) for gap in self._frontier.gaps()}
        return {source: Waiting(*gaps.get(source, (0, 0.0)), source in self.refused) for source in self._sources}

    async def _take(self, batches: Batches, lives: Lives) -> None:
        for messages in batches.values():
            for message in without_markers(messages):
                try:
                    item = read_message(message.topic, message.headers, message.value)
                    self._frontier.offer(item)
                except Unreadable as error:
                    await self._park(message, error, lives)
                    if error.position is not None:
                        self._unreadable.setdefault((service_of(message.topic), error.position), self._checks)
                except UnknownLog as error:
                    self._hold(message, error)
                else:
                    if (at := (item.source, item.position)) in self._skipped:
                        await self._inbox.park_late(item)
                        self._skipped.remove(at)
                    if passed := self._strays.before(item.source, message.partition):
                        await self._park_strays(item.source, passed, lives)
        await self._hand_on()

    def _hold(self, message: ConsumerRecord, error: UnknownLog) -> None:
        if error.source not in self.refused:
            log.error("unknown_log", source=error.source, log_id=str(error.log_id), advice=ADVICE)
        self._strays.hold(error.source, Stray(message, error.log_id))

    async def _park_strays(self, source: str, passed: Passed, lives: Lives) -> None:
        """The known log has gone on behind them. Under names of their own: none of its streams waits for them."""
        for message, log_id in passed.held:
            await self._park(message, Unreadable(f"属于另一日志 {log_id}"), lives, under=f"{log_id}/")
        log.warning("strays_parked", source=source, messages=len(passed.held), left_in_kafka=passed.more)

    async def _hand_on(self) -> None:
        batch = self._frontier.ready()
        if batch:
            with batch_span("inbox process", "consumer", [item.record.traceparent for item in batch]):
                await self._inbox.take(batch)

    def _settled(self) -> bool:
        return self._frontier.waiting == 0 and not self.refused

    async def _check(self) -> None:
        """Stop waiting for positions that stayed unreadable; tell of those that do not come."""
        self._checks += 1
        waited_for = [(gap.source, gap.position) for gap in self._frontier.gaps()]
        self._waited_for = {at: self._waited_for.get(at, self._checks) for at in waited_for}
        while lost := [gap for gap in self._frontier.gaps() if self._is_lost(gap)]:
            for gap in lost:
                await self._inbox.skip(gap.source, gap.log_id, gap.position)
                self._frontier.skip(gap)
                del self._unreadable[gap.source, gap.position]
                self._skipped.add((gap.source, gap.position))
                self._waited_for[gap.source, gap.position + 1] = self._waited_for[gap.source, gap.position]
            await self._hand_on()
        late = {(gap.source, gap.position) for gap in self._frontier.gaps() if gap.since + WARN_SECONDS <= monotonic()}
        for source, position in late - self._warned:
            log.warning("position_missing", source=source, position=position)
        self._warned = late

    def _is_lost(self, gap: Gap) -> bool:
        """Whether all that came of a position was unreadable, and whatever else there is of it would have come by now:
        at each check the leaders of all partitions have answered, and there was time to read what they hold."""
        at = gap.source, gap.position
        known = at in self._unreadable and at in self._waited_for
        return known and self._checks >= max(self._unreadable[at], self._waited_for[at]) + SKIP_CHECKS
