"""The frontier: how far each source's log has been handed on, without a gap.

The relay publishes in order, but a broker that comes back empty may be given the end of a log before its beginning,
and partitions overtake one another. Records are therefore handed on strictly by position; early ones wait in memory.
"""

from uuid import UUID

from shared.messaging.topics import Delivered


class UnknownLog(Exception):
    """A source's log is not the one that was known: a restored database, until someone says otherwise."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.source = source


class Frontier:
    """Of all sources of one consumer; `watermarks` is (log, position applied) by source, as the inbox knows it."""

    def __init__(self, watermarks: dict[str, tuple[UUID, int]]) -> None:
        self._logs = {source: log_id for source, (log_id, _) in watermarks.items()}
        self._passed = {source: position for source, (_, position) in watermarks.items()}
        self._early: dict[str, dict[int, Delivered | None]] = {}

    def offer(self, item: Delivered) -> None:
        """Take a record in; one that was passed already is forgotten. Raises `UnknownLog`."""
        if self._logs.setdefault(item.source, item.log_id) != item.log_id:
            raise UnknownLog(item.source)
        self._wait(item.source, item.position, item)

    def skip(self, source: str, position: int) -> None:
        """A position that will never be readable: nobody waits for it."""
        self._wait(source, position, None)

    def log_of(self, source: str) -> UUID | None:
        """The log of a source, None until a record of it has come."""
        return self._logs.get(source)

    def waits_for(self, source: str, position: int) -> bool:
        """Whether this position has neither been handed on nor come."""
        return position > self._passed.get(source, 0) and position not in self._early.get(source, {})

    def _wait(self, source: str, position: int, item: Delivered | None) -> None:
        if position > self._passed.get(source, 0):
            self._early.setdefault(source, {})[position] = item

    def ready(self) -> list[Delivered]:
        """The records whose predecessors have all been handed on, in order; they are handed on now."""
        found: list[Delivered] = []
        for source, early in self._early.items():
            position = self._passed.get(source, 0) + 1
            while position in early:
                item = early.pop(position)
                if item is not None:
                    found.append(item)
                self._passed[source] = position
                position += 1
        return found

    @property
    def waiting(self) -> int:
        """How many records wait for an earlier one."""
        return sum(map(len, self._early.values()))
