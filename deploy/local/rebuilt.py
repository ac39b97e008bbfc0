"""The city's histories, rebuilt from Kafka alone: every record of every log once, by stream and by claim.

What is read is kept as the bytes that Kafka carries, with where they stand. Each is looked into once, for its stream
and its log; it is read as a record when somebody asks for the history that it belongs to.
"""

import asyncio
import gc
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import NamedTuple

import msgspec

from deploy.local.failures import StackFailed
from services.audit.archive.history import Located
from shared.eventstore.record import canonical, parse
from shared.messaging.batches import messages
from shared.messaging.broker import ERRORS
from shared.messaging.topics import service_of, topic_of
from shared.messaging.whole import Fetched, whole_topics

PATIENCE = 60.0
QUIET = 3.0
"""After how many seconds without anything new a broker is taken for another than it was, and read anew."""
_BEHIND_STREAM = len('{"id":"","stream":"') + 36
"""Where a record's stream has begun, which stands first in its canonical form: what comes later is mentioned."""
_CLAIM = re.compile(rb'"(clm_[0-9a-f-]{36})"')


NO_JSON = (msgspec.MsgspecError, RecursionError)
"""What is no JSON, or nested too deeply."""


class Log(NamedTuple):
    """A service's log, as it says itself: its id, and the position of its last event."""

    log_id: str
    head: int


class _Envelope(msgspec.Struct, gc=False):
    stream: str
    log_id: str


class _Opening(msgspec.Struct):
    """What the first event of a claim says that it rests on."""

    person_id: str = ""
    organisation_id: str | None = ""
    certificate_id: str | None = ""


Kept = tuple[str, int, bytes]
"""The service and the position where a record stands, and its canonical bytes."""


class City:
    """Records by stream and by the claims that they mention, so that a claim's history does not scan the city."""

    def __init__(self) -> None:
        self.streams: defaultdict[str, list[Kept]] = defaultdict(list)
        self.mentions: defaultdict[str, list[Kept]] = defaultdict(list)

    def add(self, stream: str, item: Kept) -> None:
        """Take in a record that has not been taken in before."""
        self.streams[stream].append(item)
        data = item[2]
        if data.find(b'"clm_', _BEHIND_STREAM) >= 0:
            for name in {*_CLAIM.findall(data, _BEHIND_STREAM)}:
                if (claim := name.decode()) != stream:
                    self.mentions[claim].append(item)

    def related(self, claim_id: str) -> list[Located]:
        """What may belong to a claim's history: its stream, what mentions it, and the streams that it rests on.

        Raises StackFailed when something of it is no record.
        """
        own = [_located(item) for item in self.streams.get(claim_id, ())]
        first = next((item.record for item in own if item.record.version == 1), None)
        opening = _Opening() if first is None else _opening(first.payload)
        rests_on = {opening.person_id, opening.organisation_id, opening.certificate_id}
        foundations = [item for stream in rests_on for item in self.streams.get(stream or "", ())]
        return [*own, *map(_located, (*foundations, *self.mentions.get(claim_id, ())))]


def _located(item: Kept) -> Located:
    service, position, data = item
    try:
        return Located(service, position, parse(data))
    except NO_JSON as error:
        raise StackFailed(f"{service} {position} in Kafka is no record: {error}") from error


def _opening(payload: msgspec.Raw) -> _Opening:
    try:
        return msgspec.json.decode(payload, type=_Opening)
    except NO_JSON as error:
        raise StackFailed(f"the first event of a claim in Kafka cannot be read: {error}") from error


def city_of(located: Iterable[Located]) -> City:
    """The same of records that were read elsewhere."""
    city = City()
    for item in located:
        city.add(item.record.stream, (item.service, item.position, canonical(item.record)))
    return city


class _Reading:
    """What has been read of each log. One position is read once, whatever Kafka repeats; other logs are passed over."""

    def __init__(self, logs: Mapping[str, Log]) -> None:
        self.city = City()
        self._logs = logs
        self._seen = {name: bytearray(log.head + 1) for name, log in logs.items()}
        self._lacking = {name: log.head for name, log in logs.items()}

    def lacking(self) -> dict[str, int]:
        """How many records of each service have not been seen; empty when everything has."""
        return {name: count for name, count in self._lacking.items() if count}

    def take(self, fetched: Fetched) -> None:
        topic, data, whole = fetched
        service = service_of(topic)
        log_id, head = self._logs[service]
        seen, add, decode = self._seen[service], self.city.add, _decoder.decode
        before = seen.count(1)
        for batch in whole:
            for position, value in messages(data, batch):
                if not 0 < position <= head or seen[position]:
                    continue
                try:
                    envelope = decode(value)
                except NO_JSON:
                    continue
                if envelope.log_id == log_id:
                    seen[position] = 1
                    add(envelope.stream, (service, position, value))
        self._lacking[service] -= seen.count(1) - before


_decoder = msgspec.json.Decoder(_Envelope)


async def rebuilt(bootstrap: str, logs: Mapping[str, Log]) -> City:
    """Read the logs from the beginning of their topics, again and again while the broker is away, until all is there.

    A log is complete when all positions from 1 to its head have been seen: the broker is not asked for its end, whose
    answer cannot be leaned on everywhere. Raises StackFailed when that does not come about.
    """
    reading = _Reading(logs)
    deadline = asyncio.get_running_loop().time() + PATIENCE
    with _no_collecting():
        while lacking := reading.lacking():
            if asyncio.get_running_loop().time() > deadline:
                raise StackFailed(f"Kafka does not hold everything: {lacking} records are missing")
            try:
                await _read(bootstrap, reading, [topic_of(name) for name in logs])
            except ERRORS:
                await asyncio.sleep(0.3)  # the broker is away; it will be filled again
    return reading.city


async def _read(bootstrap: str, reading: _Reading, topics: list[str]) -> None:
    """Read until nothing is lacking, or nothing has come for `QUIET` seconds: the broker may be another."""
    loop = asyncio.get_running_loop()
    heard = loop.time()
    async with aclosing(whole_topics(bootstrap, topics)) as answers:
        async for answer in answers:
            for fetched in answer:
                reading.take(fetched)
            if answer:
                heard = loop.time()
            if not reading.lacking() or loop.time() > heard + QUIET:
                return


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Nothing of what is read is garbage, and looking for some takes as long as reading does."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
