"""Record batches as a broker keeps and sends them, unpacked for whoever reads a whole topic.

A consumer makes an object of each message, with its key and some nine headers: 5 microseconds. Whoever rebuilds from
a topic needs two things of a message, its value and its position, and takes them out of the bytes in 1.5. The format
is Kafka's record batch of version 2; what is compressed is left to aiokafka, what is older is refused.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from shared.messaging.reader import UNDECODABLE
from shared.messaging.topics import position_in

_HEAD = struct.Struct(">qiibIhiqqqhii")
_TO_LENGTH = 12
"""Bytes of a batch before those that its length counts."""
_TO_CRC = 21
"""Bytes of a batch before those that its check sum is over."""
_COMPRESSED = 0x07
_CONTROL = 0x20
_POSITION = b"\x10position"
"""The header's name behind its length; no value of another header has a control character."""


class Batch(NamedTuple):
    """Where a batch stands in what was fetched, and its header's say on what is in it."""

    start: int
    end: int
    next_offset: int
    plain: bool
    control: bool
    messages: int


def batches(data: bytes) -> Iterator[Batch]:
    """The batches that are whole; the last that a broker sends may be cut off. Raises `CorruptRecordException`."""
    start = 0
    while len(data) - start >= _HEAD.size:
        base, length, _, magic, crc, attributes, last, _, _, _, _, _, count = _HEAD.unpack_from(data, start)
        end = start + _TO_LENGTH + length
        if end > len(data):
            return
        if magic != 2:
            raise CorruptRecordException(f"a batch of version {magic}")
        if calc_crc32c(memoryview(data)[start + _TO_CRC : end]) != crc:
            raise CorruptRecordException(f"the check sum of the batch at {base} is wrong")
        yield Batch(start, end, base + last + 1, not attributes & _COMPRESSED, bool(attributes & _CONTROL), count)
        start = end


def messages(data: bytes, batch: Batch) -> Iterator[tuple[int, bytes]]:
    """Position and value of each message that has both; a marker has neither."""
    if batch.control:
        return
    if not batch.plain:
        yield from _by_aiokafka(data[batch.start : batch.end])
        return
    find = data.find
    at = batch.start + _HEAD.size
    for _ in range(batch.messages):
        length, at = _number(data, at)
        end = at + length
        at += 1  # attributes
        while data[at] > 127:  # time stamp
            at += 1
        at += 1
        while data[at] > 127:  # offset
            at += 1
        at += 1
        if (byte := data[at]) < 128:  # the key's length; a stream's id is short
            at += 1 + (byte >> 1 if byte != 1 else 0)
        else:
            length, at = _number(data, at)
            at += length
        length, at = _number(data, at)
        if length > 0:
            value_end = at + length
            header = find(_POSITION, value_end, end)
            if header >= 0:
                digits = header + len(_POSITION)
                position = position_in(data[digits + 1 : digits + 1 + (data[digits] >> 1)])
                if position is not None:
                    yield position, data[at:value_end]
        at = end


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number as records hold them (zigzag, seven bits a byte, lowest first), and where it ends."""
    byte = data[at]
    if byte < 128:
        return (byte >> 1) ^ -(byte & 1), at + 1
    number, shift = byte & 127, 7
    while byte > 127:
        at += 1
        byte = data[at]
        number |= (byte & 127) << shift
        shift += 7
    return (number >> 1) ^ -(number & 1), at + 1


def _by_aiokafka(data: bytes) -> Iterator[tuple[int, bytes]]:
    batch = MemoryRecords(data).next_batch()
    with suppress(*UNDECODABLE):  # as for a reader: nothing behind it can be unpacked
        for record in batch or ():
            position = position_in(dict(record.headers).get("position"))
            if record.value and position is not None:
                yield position, record.value
