"""Loads are grouped; what is wrong with one stream stays with those who asked for it."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest

from shared.eventstore.decider import Aggregate, Event
from shared.eventstore.needs import Needs
from shared.eventstore.record import UnknownEventType
from shared.eventstore.store import Store
from shared.eventstore.work import Work
from shared.vault.keys import Keyring

MOMENT = datetime(2025, 3, 3, 1, tzinfo=UTC)


class Counted(Event, frozen=True, tag="test.Counted.v1"):
    by: int


COUNTER: Aggregate[int] = Aggregate("cnt", (Counted,), lambda: 0, lambda total, event: total + event.by)
PAYLOADS = {
    "cnt_good": ("test.Counted.v1", b'{"type":"test.Counted.v1","by":3}'),
    "cnt_also": ("test.Counted.v1", b'{"type":"test.Counted.v1","by":4}'),
    "cnt_newer": ("test.Counted.v2", b'{"type":"test.Counted.v2","times":3}'),
}


class Rows(Store):
    """A store whose database is a table in memory."""

    def __init__(self) -> None:
        super().__init__(cast(Any, None), [COUNTER], Keyring(cast(Any, None)))
        self.loads = 0

    async def _fetch(self, query: str, *arguments: object) -> list[Any]:
        self.loads += 1
        await asyncio.sleep(0)
        return [
            (b"s", stream, str(UUID(int=1)), 1, *PAYLOADS[stream], None, MOMENT, None, None)
            for stream in cast(list[str], arguments[0])
        ]


async def total(store: Store, stream: str) -> int:
    work: Work = await store.look(Needs(streams=(stream,)))
    return work.state(COUNTER, stream)


async def test_those_who_ask_together_are_answered_from_one_load() -> None:
    store = Rows()
    assert [*await asyncio.gather(total(store, "cnt_good"), total(store, "cnt_also"))] == [3, 4]
    assert store.loads == 1


async def test_an_event_that_this_program_does_not_know_fails_only_who_asked_for_its_stream() -> None:
    store = Rows()
    found = await asyncio.gather(
        total(store, "cnt_good"), total(store, "cnt_newer"), total(store, "cnt_also"), return_exceptions=True
    )
    assert isinstance(found[1], UnknownEventType)
    assert [found[0], found[2]] == [3, 4]


async def test_an_event_that_this_program_does_not_know_is_named() -> None:
    with pytest.raises(UnknownEventType, match=r"test\.Counted\.v2"):
        await total(Rows(), "cnt_newer")
