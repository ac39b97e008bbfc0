"""Strays: messages of a log that is not the one known, for as long as they may mean that the source's log was changed.

A log that was changed for another does not go on. Where records of the known one stand behind them in the same
partition, messages of another log have only gone astray.
"""

from typing import NamedTuple
from uuid import UUID

from aiokafka.structs import ConsumerRecord

MOST = 100
"""Messages of one source that are remembered. More are no strays: its log counts as changed."""


class Stray(NamedTuple):
    message: ConsumerRecord
    log_id: UUID


class Strays:
    """What has come of logs that are not known, by source and partition, in memory only."""

    def __init__(self) -> None:
        self._held: dict[str, dict[int, list[Stray]]] = {}
        self._changed: set[str] = set()

    @property
    def sources(self) -> set[str]:
        """The sources of which something has come and no end is known."""
        return self._changed | self._held.keys()

    def hold(self, source: str, stray: Stray) -> None:
        if source not in self._changed:
            held = self._held.setdefault(source, {})
            held.setdefault(stray.message.partition, []).append(stray)
            if sum(map(len, held.values())) > MOST:
                del self._held[source]
                self._changed.add(source)

    def before(self, source: str, partition: int) -> list[Stray]:
        """What was held of a partition in which the known log has gone on; it is held no longer."""
        held = self._held.get(source)
        if held is None:
            return []
        found = held.pop(partition, [])
        if not held:
            del self._held[source]
        return found
