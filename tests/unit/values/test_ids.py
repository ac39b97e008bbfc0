"""Ids name their kind, and sort by the order in which they were made."""

import threading
import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.values import ids
from shared.values.ids import PREFIXES, ClaimId, new_id, parse_id, unix_ms_of, uuid7
from shared.values.rejected import Invalid

milliseconds = st.integers(0, (1 << 48) - 1)


@given(milliseconds)
def test_a_uuid7_carries_version_variant_and_time_of_rfc_9562(ms: int) -> None:
    made = uuid7(ms)
    assert made == UUID(str(made))
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert unix_ms_of(made) == ms


@given(st.lists(st.integers(0, 50), min_size=2, max_size=60))
def test_ids_only_ever_grow_whatever_the_clock_does(readings: list[int]) -> None:
    sequence = ids._Sequence(follows_time_back=False)
    made = [sequence.next(ms) for ms in readings]
    assert made == sorted(set(made))


@given(milliseconds, st.integers(2, 50))
def test_ids_of_one_named_millisecond_are_in_order(ms: int, count: int) -> None:
    made = [uuid7(ms) for _ in range(count)]
    assert made == sorted(set(made))


def test_a_full_counter_moves_on_to_the_next_millisecond() -> None:
    sequence = ids._Sequence(follows_time_back=False)
    first = sequence.next(1000)
    sequence._counter = ids._COUNTER_END - 1
    second = sequence.next(1000)
    assert first < second
    assert unix_ms_of(second) == 1001


def test_ids_made_by_many_threads_are_distinct_and_grow_within_each() -> None:
    made: list[list[UUID]] = [[] for _ in range(8)]

    def work(mine: list[UUID]) -> None:
        mine.extend(uuid7() for _ in range(2000))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == sorted(mine) for mine in made)
    assert len({uuid for mine in made for uuid in mine}) == 16_000


def test_an_id_without_a_named_time_carries_the_wall_clock() -> None:
    before = time.time_ns() // 1_000_000
    assert before <= unix_ms_of(uuid7()) <= time.time_ns() // 1_000_000 + 1


@pytest.mark.parametrize("ms", [-1, 1 << 48])
def test_a_time_that_does_not_fit_is_refused(ms: int) -> None:
    with pytest.raises(ValueError, match="48 bits"):
        uuid7(ms)


def test_only_version_7_tells_a_time() -> None:
    with pytest.raises(ValueError, match="version 7"):
        unix_ms_of(UUID("919108f7-52d1-4320-9bac-f847db4148a8"))


@given(st.uuids(), st.sampled_from(sorted(PREFIXES.values())))
def test_a_new_id_is_read_as_itself_by_its_own_kind_only(uuid: UUID, prefix: str) -> None:
    text = new_id(prefix, uuid)
    assert text == f"{prefix}_{str(uuid).lower()}"
    assert parse_id(prefix, text) == text
    assert all(isinstance(parse_id(other, text), Invalid) for other in PREFIXES.values() if other != prefix)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "clm",
        "clm_",
        "CLM_01950000-0000-7000-8000-000000000000",
        "clm_01950000-0000-7000-8000-00000000000A",
        "clm_01950000000070008000000000000000",
        "clm_01950000-0000-7000-8000-000000000000\n",
        "01950000-0000-7000-8000-000000000000",
        None,
        7,
    ],
)
def test_any_other_text_is_no_id(text: object) -> None:
    refused = parse_id("clm", text)
    assert isinstance(refused, Invalid)
    assert refused.code == "id.form"


def test_every_kind_has_a_prefix_of_its_own() -> None:
    assert len(set(PREFIXES.values())) == len(PREFIXES) == 17
    assert all(hasattr(ids, name) for name in PREFIXES)
    assert ClaimId(new_id(PREFIXES["ClaimId"], uuid7())).startswith("clm_")
