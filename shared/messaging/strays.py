"""Strays: messages of a log that is not the one known, for as long as they may mean that the source's log was changed.

A log that was changed for another does not go on. Where records of the known one stand behind them in the same
partition, messages of another log have only gone astray.
"""

from typing import NamedTuple
from uuid import UUID

from aiokafka.structs import ConsumerRecord

MOST = 100
"""Messages of one source that are remembered. While there are more, its log counts as changed."""


class Stray(NamedTuple):
    message: ConsumerRecord
    log_id: UUID


class Passed(NamedTuple):
    """What the known log has gone on behind: the strays that are remembered, and how many more there were."""

    held: list[Stray]
    more: int


class Strays:
    """What has come of logs that are not known, by source and partition, in memory only."""

    def __init__(self) -> None:
        self._by_place: dict[str, dict[int, Passed]] = {}

    @property
    def sources(self) -> set[str]:
        """The sources of which something has come and no end is known."""
        return set(self._by_place)

    @property
    def many(self) -> set[str]:
        """Those of which more has come than strays."""
        return {source for source, places in self._by_place.items() if any(passed.more for passed in places.values())}

    def hold(self, source: str, stray: Stray) -> None:
        places = self._by_place.setdefault(source, {})
        held, more = places.setdefault(stray.message.partition, Passed([], 0))
        if sum(len(passed.held) for passed in places.values()) < MOST:
            held.append(stray)
        else:
            places[stray.message.partition] = Passed(held, more + 1)

    def before(self, source: str, partition: int) -> Passed | None:
        """What came in a partition in which the known log has gone on, if anything; it is held no longer."""
        places = self._by_place.get(source, {})
        passed = places.pop(partition, None)
        if source in self._by_place and not places:
            del self._by_place[source]
        return passed
