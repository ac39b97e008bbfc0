"""The envelope and the canonical bytes of an event.

A record is written once. Its canonical form is the JSON of `Record` with the payload bytes exactly as first
written: it is what Kafka carries, what the archive keeps, and what the leaf hash is taken over. Upcast forms
exist in memory only.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.eventstore.decider import Aggregate, Event, Upcast
from shared.values.personal import Clear, Sealed


class Actor(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Who did it: the client that called, the natural person behind it, and for whom it acted."""

    client: str
    user: str | None = None
    on_behalf_of: str | None = None


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event as recorded. Field order is part of the canonical form: never reorder, only append.

    `recorded_at` is the database's wall clock, `occurred_at` the business clock, both UTC.
    """

    id: UUID
    stream: str
    version: int
    log_id: UUID
    type: str
    recorded_at: datetime
    occurred_at: datetime
    actor: Actor
    causation_id: UUID | None
    correlation_id: UUID | None
    traceparent: str | None
    payload: msgspec.Raw


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


def canonical(record: Record) -> bytes:
    """The canonical bytes of a record; `canonical(parse(b)) == b` for every `b` made here."""
    return _encoder.encode(record)


def parse(data: bytes) -> Record:
    """Read canonical bytes. Raises `msgspec.ValidationError` when they are not a record."""
    return _decoder.decode(data)


class UnknownEventType(Exception):
    """An event whose type this program does not know, neither as it is nor by an upcaster."""


class EventTypes:
    """The event types that a service writes and reads, by tag, with upcasters from older versions.

    An upcaster turns the JSON object of an old version into that of the next one; it is applied on read and its
    result is never stored.
    """

    def __init__(self, aggregates: Iterable[Aggregate[Any]], upcasts: Iterable[Upcast] = ()) -> None:
        self.aggregates = tuple(aggregates)
        self._decoders: dict[str, msgspec.json.Decoder[Any]] = {}
        self._tags: dict[type[Event], str] = {}
        self._upcasters = {upcast.old: upcast for upcast in upcasts}
        for aggregate in self.aggregates:
            for kind in aggregate.events:
                tag = tag_of(kind)
                if tag in self._decoders:
                    raise ValueError(f"two event classes share the tag {tag}")
                self._tags[kind] = tag
                self._decoders[tag] = msgspec.json.Decoder(kind)

    def tag(self, event: Event) -> str:
        return self._tags[type(event)]

    def newest(self, tag: str) -> str:
        """The tag as which events of this one are read."""
        while tag in self._upcasters:
            tag = self._upcasters[tag].new
        return tag

    def decode(self, tag: str, payload: bytes) -> Event:
        """The event in its newest form. Raises `UnknownEventType`."""
        decoder = self._decoders.get(tag)
        if decoder is None:
            return self._decode_old(tag, payload)
        event: Event = decoder.decode(payload)
        return event

    def _decode_old(self, tag: str, payload: bytes) -> Event:
        value: dict[str, Any] = msgspec.json.decode(payload)
        while tag in self._upcasters:
            _, tag, step = self._upcasters[tag]
            value = {**step(value), "type": tag}
        if tag not in self._decoders:
            raise UnknownEventType(tag)
        return self.decode(tag, msgspec.json.encode(value))


def tag_of(kind: type[Event]) -> str:
    """The storage name of an event class, such as `subsidy.ClaimSubmitted.v1`."""
    tag = kind.__struct_config__.tag
    if not isinstance(tag, str):
        raise TypeError(f"{kind.__name__} has no tag")
    return tag


def encode_payload(event: Event, seal: Callable[[Clear[Any], int], Sealed[Any]] | None = None) -> bytes:
    """The payload bytes of a new event; `seal(value, field number)` seals each personal value in encounter order."""
    field = 0

    def hook(value: Any) -> Any:
        nonlocal field
        if not isinstance(value, Clear):
            raise TypeError(f"{type(value).__name__} must not be encoded")
        if seal is None:
            raise TypeError("a personal value met an encoder that has no key")
        field += 1
        return seal(value, field)

    return msgspec.json.encode(event, enc_hook=hook)
