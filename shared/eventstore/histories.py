"""Whole histories out of the store: every stream of a kind, folded, for whatever is rebuilt from the events."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import reduce
from operator import or_
from types import GenericAlias
from typing import Any, Generic, NamedTuple, TypeVar

import asyncpg
import msgspec

from shared.eventstore.decider import Aggregate, Event
from shared.eventstore.record import EventTypes

S = TypeVar("S")

BATCH = 2000
"""Events that are in memory at once, and as many again that are on their way."""

# A row per stream, its payloads as the inside of a JSON array: one row and one decoding for some ten events. The row
# comparison keeps to the primary key, so a stream that is longer than a batch goes on in the next one.
READ = """
    select e.stream, max(e.version), string_agg(e.payload, ','::bytea order by e.version)
    from (
        select stream, version, payload from event
        where (stream, version) > ($1, $2) and stream < $3
        order by stream, version limit $4
    ) e
    group by e.stream order by e.stream
"""


class History(NamedTuple, Generic[S]):
    """What a stream's events come to, and how many they are."""

    stream: str
    version: int
    state: S


async def histories(
    pool: asyncpg.Pool, types: EventTypes, aggregate: Aggregate[S], *, batch: int = BATCH
) -> AsyncIterator[History[S]]:
    """Every stream of a kind with its state, in order of ids; `batch` events at a time, however long a stream is.

    A stream is folded as it stands when it is read. One that begins meanwhile is missed if its id sorts before what
    has been read: whoever needs those too notes the log's head first and follows the log from there.
    """
    decode = _Payloads(types, aggregate).decode
    first, end = f"{aggregate.prefix}_", f"{aggregate.prefix}`"  # ` comes next after _; ids sort by their bytes
    async with pool.acquire() as connection:
        reading = asyncio.ensure_future(connection.fetch(READ, first, 0, end, batch))
        try:
            stream, version, state = "", 0, aggregate.initial()
            while rows := await reading:
                last, last_version, _ = rows[-1]
                reading = asyncio.ensure_future(connection.fetch(READ, last, last_version, end, batch))
                await asyncio.sleep(0)  # the next batch is read while this one is folded
                for name, number, payloads in rows:
                    if name != stream:
                        if stream:
                            yield History(stream, version, state)
                        stream, state = name, aggregate.initial()
                    version, state = number, aggregate.fold(decode(payloads), state)
            if stream:
                yield History(stream, version, state)
        finally:
            await asyncio.wait([reading])


class _Payloads:
    """Decodes the payloads of one stream, all at once by their tags; one by one where one is of an old version."""

    def __init__(self, types: EventTypes, aggregate: Aggregate[Any]) -> None:
        self._types = types
        events = GenericAlias(list, (reduce(or_, aggregate.events),))
        self._decoder: msgspec.json.Decoder[list[Event]] = msgspec.json.Decoder(events)

    def decode(self, payloads: bytes) -> Sequence[Event]:
        array = b"[" + payloads + b"]"
        try:
            return self._decoder.decode(array)
        except msgspec.ValidationError:
            return [self._types.decode(_tagged.decode(raw).type, raw) for raw in _raw.decode(array)]


class _Tagged(msgspec.Struct):
    type: str


_raw = msgspec.json.Decoder(list[msgspec.Raw])
_tagged = msgspec.json.Decoder(_Tagged)
