"""Names on the wire: topics, headers, and what a delivered event is."""

import re
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from shared.eventstore.record import Record, parse

PREFIX = "huchuang"
HEADS = f"{PREFIX}.heads"
"""The signed heads of all services; the key is the service."""
LONGEST_NAME = 512
"""Characters of a stream, a type or a key, at most four bytes each: an index of PostgreSQL takes up to 2704 bytes."""
LAST_POSITION = 2**63 - 1
_CONTROL = re.compile("[\x00-\x1f\x7f]")
"""No text of PostgreSQL holds a NUL, and no name of ours any of the others."""


def topic_of(service: str) -> str:
    """`huchuang.<service>.events`."""
    return f"{PREFIX}.{service}.events"


def service_of(topic: str) -> str:
    """The service whose events a topic carries; of `HEADS` the word `heads`."""
    return topic.split(".")[1]


class Delivered(NamedTuple):
    """An event of a service as Kafka delivered it: where it stands in its log, the record, and its exact bytes."""

    source: str
    position: int
    record: Record
    data: bytes

    @property
    def log_id(self) -> UUID:
        return self.record.log_id


class Unreadable(Exception):
    """A message that is not a record with a position; `position` is what its header says, if it says any."""

    def __init__(self, reason: str, position: int | None = None) -> None:
        super().__init__(reason)
        self.position = position


def headers(service: str, position: int, record: Record) -> list[tuple[str, bytes]]:
    """CloudEvents 1.0 attributes (Kafka binding, binary mode) and the position in the log."""
    values = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(record.id).encode()),
        ("ce_source", f"/{PREFIX}/{service}".encode()),
        ("ce_type", record.type.encode()),
        ("ce_subject", record.stream.encode()),
        ("ce_time", record.recorded_at.isoformat().encode()),
        ("content-type", b"application/json"),
        ("position", str(position).encode()),
    ]
    if record.traceparent is not None:
        values.append(("traceparent", record.traceparent.encode()))
    return values


def read_message(topic: str, message_headers: Sequence[tuple[str, bytes]] | None, value: bytes | None) -> Delivered:
    """Read one Kafka message. Raises `Unreadable`."""
    position = _position(message_headers)
    if position is None or value is None:
        raise Unreadable("没有位置或内容", position)
    try:
        value.decode()  # a payload is not looked into before it is used
        record = parse(value)
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error), position) from error
    for name in (record.stream, record.type):
        if not 0 < len(name) <= LONGEST_NAME or _CONTROL.search(name):
            raise Unreadable("事件流或类型的名称为空、过长或含有控制字符", position)
    return Delivered(service_of(topic), position, record, value)


def _position(message_headers: Sequence[tuple[str, bytes]] | None) -> int | None:
    for name, value in reversed(message_headers or ()):  # it is among the last
        if name == "position":
            return position_in(value)
    return None


def position_in(header: bytes | None) -> int | None:
    """The position that a header names; None where there is none such in any log."""
    if header is None or not header.isdigit() or len(header) > len(str(LAST_POSITION)):
        return None
    position = int(header)
    return position if 0 < position <= LAST_POSITION else None
