"""Record batches: what is taken out of the bytes is what aiokafka's own reader finds in them."""

from typing import Any

import pytest
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.batches import batches, messages
from shared.messaging.incarnation import marker_headers

PLAIN, GZIP, SNAPPY, LZ4, ZSTD = range(5)
Sent = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]
"""Key, value, headers."""

texts = st.text("abcdefghijk-", max_size=12)
headers = st.lists(st.tuples(texts, st.binary(max_size=200).filter(lambda value: b"\x10position" not in value)))
keys = st.none() | st.binary(max_size=300)
sizes = st.sampled_from([1, 5, 63, 64, 200, 8191, 8192, 20_000])


@st.composite
def sent(draw: st.DrawFn) -> Sent:
    value = draw(st.none() | sizes.map(lambda size: b"v" * size))
    position = draw(st.none() | st.integers(1, 2**62).map(lambda number: ("position", str(number).encode())))
    return draw(keys), value, [*draw(headers), *([position] if position else []), *draw(headers)]


def built(messages: list[Sent], *, first: int = 0, compression: int = PLAIN) -> bytes:
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, -1, 2**30)
    for number, (key, value, said) in enumerate(messages):
        builder.append(number, 1_750_000_000_000 + 100 * number, key, value, said)
    data = builder.build()
    return first.to_bytes(8, "big") + bytes(data[8:])


def unpacked(data: bytes) -> list[tuple[int, bytes]]:
    return [message for batch in batches(data) for message in messages(data, batch)]


def expected(data: bytes) -> list[tuple[int, bytes]]:
    """Position and value by aiokafka's reader."""
    found, records = [], MemoryRecords(data)
    while records.has_next():
        batch: Any = records.next_batch()
        for record in batch:
            position = next((value for name, value in record.headers if name == "position"), None)
            if record.value and position is not None:
                found.append((int(position), bytes(record.value)))
    return found


@given(st.lists(st.lists(sent(), min_size=1, max_size=70), max_size=3), st.sampled_from([PLAIN, GZIP]))
def test_values_and_positions_are_those_that_aiokafka_finds(pieces: list[list[Sent]], compression: int) -> None:
    data = b"".join(built(piece, compression=compression) for piece in pieces)
    assert unpacked(data) == expected(data)


@given(st.lists(sent(), min_size=1, max_size=3), st.data())
def test_a_batch_that_was_cut_off_is_left_for_the_next_answer(piece: list[Sent], data: st.DataObject) -> None:
    whole, next = built(piece, first=7), built(piece, first=7 + len(piece))
    cut = data.draw(st.integers(0, len(next) - 1))
    found = list(batches(whole + next[:cut]))
    assert [batch.next_offset for batch in found] == [7 + len(piece)]


def test_markers_are_passed_over() -> None:
    marker: Sent = (None, b"", marker_headers())
    event: Sent = (b"acc_a", b"{}", [("position", b"12")])
    assert unpacked(built([marker]) + built([event, marker])) == [(12, b"{}")]


@pytest.mark.parametrize("compression", [PLAIN, GZIP])
@pytest.mark.parametrize("position", [b"0", b"-1", b"1" * 20, b"9" * 63, b"9" * 5000, str(2**63).encode(), b""])
def test_what_names_no_position_of_a_log_is_passed_over(position: bytes, compression: int) -> None:
    bad, good = ((b"acc_a", b"{}", [("position", said)]) for said in (position, b"12"))
    assert unpacked(built([bad, good], compression=compression)) == [(12, b"{}")]


@given(st.integers(21, 99))
def test_a_batch_whose_bytes_have_changed_is_refused(place: int) -> None:
    data = bytearray(built([(b"acc_a", b"x" * 80, [("position", b"1")])]))
    data[place] ^= 1
    with pytest.raises(CorruptRecordException):
        list(batches(bytes(data)))


def test_a_batch_of_another_version_is_refused() -> None:
    data = bytearray(built([(b"acc_a", b"x", [("position", b"1")])]))
    data[16] = 1
    with pytest.raises(CorruptRecordException, match="version 1"):
        list(batches(bytes(data)))


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
def test_what_cannot_be_unpacked_is_passed_over(codec: int) -> None:
    """Its check sum is right: nobody has looked into it before it was kept."""
    data = bytearray(built([(None, b"v" * 500, [("position", b"1")])], compression=codec))
    data[61:] = b"\xff" * (len(data) - 61)
    data[17:21] = calc_crc32c(data[21:]).to_bytes(4, "big")
    assert unpacked(bytes(data)) == []
