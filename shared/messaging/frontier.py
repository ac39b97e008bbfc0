"""The frontier: how far each source's log has been handed on, without a gap.

The relay publishes in order, but a broker that comes back empty may be given the end of a log before its beginning,
and partitions overtake one another. Records are therefore handed on strictly by position; early ones wait in memory.
"""

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple
from uuid import UUID

from shared.messaging.topics import Delivered


class UnknownLog(Exception):
    """A source's log is not the one that was known: a restored database, until someone says otherwise."""

    def __init__(self, source: str, log_id: UUID) -> None:
        super().__init__(source)
        self.source = source
        self.log_id = log_id


class Gap(NamedTuple):
    """A position of a source for which later records wait: `waiting` of them.

    `since`: when the last record of the source was handed on, or the first began to wait, by the frontier's clock.
    """

    source: str
    log_id: UUID
    position: int
    waiting: int
    since: float


class Frontier:
    """Of all sources of one consumer; `watermarks` is (log, position applied) by source, as the inbox knows it.

    `clock` tells seconds and never goes back.
    """

    def __init__(self, watermarks: dict[str, tuple[UUID, int]], clock: Callable[[], float] = monotonic) -> None:
        self._logs = {source: log_id for source, (log_id, _) in watermarks.items()}
        self._passed = {source: position for source, (_, position) in watermarks.items()}
        self._early: dict[str, dict[int, Delivered]] = {}
        self._since: dict[str, float] = {}
        self._clock = clock

    def offer(self, item: Delivered) -> None:
        """Take a record in; one that was passed already is forgotten. Raises `UnknownLog`."""
        if self._logs.setdefault(item.source, item.log_id) != item.log_id:
            raise UnknownLog(item.source, item.log_id)
        if item.position > self._passed.get(item.source, 0):
            self._early.setdefault(item.source, {})[item.position] = item

    def ready(self) -> list[Delivered]:
        """The records whose predecessors have all been handed on, in order; they are handed on now."""
        found: list[Delivered] = []
        for source, early in self._early.items():
            passed = self._passed.get(source, 0)
            position = passed + 1
            while position in early:
                found.append(early.pop(position))
                self._passed[source] = position
                position += 1
            if position > passed + 1 or not early:
                self._since.pop(source, None)
            if early:
                self._since.setdefault(source, self._clock())
        return found

    def gaps(self) -> list[Gap]:
        """What later records wait for, as it was when `ready` was asked last."""
        return [
            Gap(source, self._logs[source], self._passed.get(source, 0) + 1, len(self._early[source]), since)
            for source, since in self._since.items()
        ]

    def skip(self, gap: Gap) -> None:
        """A position that will never be readable: nobody waits for it any more."""
        self._passed[gap.source] = gap.position

    @property
    def waiting(self) -> int:
        """How many records wait for an earlier one."""
        return sum(map(len, self._early.values()))
