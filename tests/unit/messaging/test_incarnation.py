"""Incarnations: what counts as the same life of a topic, and what is read out of a first batch."""

import asyncio
import zlib
from types import SimpleNamespace

import pytest
from aiokafka.errors import LeaderNotAvailableError, NotLeaderForPartitionError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.incarnation import (
    TRIMMED,
    UNSEEN,
    Incarnation,
    Incarnations,
    is_marker,
    marker_headers,
    marker_of,
    partitions_in,
    read_incarnation,
)

markers = st.dictionaries(st.integers(0, 8), st.none() | st.sampled_from(["a-1", "b-2", "c-3"]))
incarnations = st.builds(Incarnation, st.sampled_from(["one", "two"]), markers)


def batch(*values: bytes, timestamp: int = 1_741_000_000_000) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=1 << 20,
    )  # fmt: skip
    for offset, value in enumerate(values):
        builder.append(offset, timestamp, None, value, marker_headers())
    return bytes(builder.build())


@given(incarnations)
def test_a_life_goes_on_and_is_remembered_as_it_was(incarnation: Incarnation) -> None:
    assert incarnation.continues(incarnation)
    assert read_incarnation(incarnation.text()) == incarnation
    upside_down = Incarnation(incarnation.cluster, dict(reversed(incarnation.markers.items())))
    assert upside_down.text() == incarnation.text()


@given(incarnations, st.data())
def test_partitions_may_be_added_and_begun(incarnation: Incarnation, data: st.DataObject) -> None:
    begun = {
        number: marker or data.draw(st.sampled_from(["x", None])) for number, marker in incarnation.markers.items()
    }
    later = Incarnation(incarnation.cluster, begun | dict.fromkeys((20, 21), "new"))
    assert later.continues(incarnation)
    assert not incarnation.continues(later)


@given(incarnations, st.data())
def test_one_partition_that_is_gone_empty_or_another_ends_it(incarnation: Incarnation, data: st.DataObject) -> None:
    begun = [number for number, marker in incarnation.markers.items() if marker is not None]
    if not begun:
        return
    lost = data.draw(st.sampled_from(begun))
    others = {number: marker for number, marker in incarnation.markers.items() if number != lost}
    assert not Incarnation(incarnation.cluster, others).continues(incarnation)
    for instead in (None, "another", TRIMMED):
        assert not Incarnation(incarnation.cluster, others | {lost: instead}).continues(incarnation)
    assert not Incarnation("three", incarnation.markers).continues(incarnation)


def test_each_partition_has_a_name_for_its_life_once_something_stands_in_it() -> None:
    found = Incarnation("c", {0: "a-1", 1: None})
    assert (found.life(0), found.life(1), found.life(2)) == ("c/a-1", None, None)
    assert found.empty == [1]


@pytest.mark.parametrize("text", [None, "", "a cluster's id, as it was kept before", '{"cluster":"c"}', "[]"])
def test_what_was_kept_otherwise_is_no_incarnation(text: str | None) -> None:
    assert read_incarnation(text) is None


def test_a_marker_is_told_by_its_header_and_by_being_empty() -> None:
    assert is_marker(SimpleNamespace(value=b"", headers=marker_headers()))
    assert is_marker(SimpleNamespace(value=None, headers=marker_headers()))
    assert not is_marker(SimpleNamespace(value=b"{}", headers=marker_headers()))
    assert not is_marker(SimpleNamespace(value=b"", headers=[("position", b"1")]))


def test_no_two_first_batches_look_alike_and_one_looks_the_same_however_much_of_it_comes() -> None:
    one, other = batch(b""), batch(b"")
    assert marker_of(0, 1, one) == marker_of(0, 900, one + other) == marker_of(0, 1, one[:64])
    assert marker_of(0, 1, one) != marker_of(0, 1, other)
    moved = bytearray(one)
    moved[12:16] = (7).to_bytes(4, "big")  # the leader's epoch is no part of what was written
    assert marker_of(0, 1, bytes(moved)) == marker_of(0, 1, one)
    later = batch(b"x", timestamp=1_741_000_000_001)
    assert zlib.crc32(later) != zlib.crc32(one)
    assert str(marker_of(0, 1, later)).split("-")[0] != str(marker_of(0, 1, one)).split("-")[0]


def test_nothing_something_unseen_and_what_was_deleted_are_told_apart() -> None:
    assert marker_of(0, 0, b"") is None
    assert marker_of(0, 5, b"") == UNSEEN
    assert marker_of(1, -1, b"") == TRIMMED
    with pytest.raises(NotLeaderForPartitionError):
        marker_of(6, -1, b"")


def test_a_partition_without_a_leader_is_waited_for() -> None:
    led = SimpleNamespace(topics=[(0, "t", False, [(0, 1, 2, [], [], []), (0, 0, 1, [], [], [])]), (3, "n", False, [])])
    assert [(at.topic, at.number, at.leader) for at in partitions_in(led)] == [("t", 1, 2), ("t", 0, 1)]
    with pytest.raises(LeaderNotAvailableError):
        partitions_in(SimpleNamespace(topics=[(0, "t", False, [(5, 0, -1, [], [], [])])]))


class Client:
    """Counts the clients that are open; to connect takes a while."""

    opened = 0

    def __init__(self, **_: object) -> None:
        return

    async def bootstrap(self) -> None:
        Client.opened += 1
        await asyncio.sleep(0.01)

    async def close(self) -> None:
        Client.opened -= 1


async def test_two_who_ask_at_once_share_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.messaging.incarnation.AIOKafkaClient", Client)
    asked = Incarnations("127.0.0.1:1")
    first, second = await asyncio.gather(asked._connected(), asked._connected())
    assert first is second
    await asked.close()
    assert Client.opened == 0
