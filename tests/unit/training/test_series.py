"""Series: numbers without gaps, block after block."""

import pytest
from hypothesis import given as every
from hypothesis import settings
from hypothesis import strategies as st

from services.training.api.fields import _NUMBER
from services.training.domain.series import (
    BLOCK,
    BLOCKS,
    SERIES,
    CurrentBlock,
    DrawNumber,
    NumberDrawn,
    certificate_number,
    decide,
    stream_of,
)
from shared.eventstore.decider import Rejection
from shared.testing.spec import given
from shared.values.ids import CertificateId

ID = CertificateId("crt_1")


def drawn(sequence: int, block: int = 1) -> NumberDrawn:
    return NumberDrawn(evaluator_code="demo-1", year=2025, block=block, sequence=sequence, certificate_id=ID)


@pytest.mark.clause("B-32")
@pytest.mark.parametrize(("block", "first"), [(1, 1), (2, BLOCK + 1), (3, 2 * BLOCK + 1)])
def test_a_block_begins_where_the_one_before_ended(block: int, first: int) -> None:
    given(SERIES).when(decide, DrawNumber("demo-1", 2025, block, ID)).then(drawn(first, block))


@pytest.mark.clause("B-32")
def test_the_next_number_follows_the_last() -> None:
    given(SERIES, drawn(1), drawn(2)).when(decide, DrawNumber("demo-1", 2025, 1, ID)).then(drawn(3))


def test_a_block_that_is_used_up_gives_no_number() -> None:
    given(SERIES, drawn(BLOCK)).when(decide, DrawNumber("demo-1", 2025, 1, ID)).then_rejected("block_used_up", 503)


def test_the_last_number_of_a_block_turns_the_page() -> None:
    def current(event: NumberDrawn) -> object:
        [row] = SERIES.rows("srs", SERIES.fold([event]), event)
        assert (row.view, row.key) == (BLOCKS, "demo-1-2025")
        return row.value

    assert current(drawn(BLOCK - 1)) == CurrentBlock(1)
    assert current(drawn(BLOCK)) == CurrentBlock(2)
    assert current(drawn(BLOCK + 1, 2)) == CurrentBlock(2)


@pytest.mark.clause("B-32")
@settings(max_examples=20)
@every(st.lists(st.sampled_from(["demo-1", "demo-2"]), max_size=3 * BLOCK))
def test_numbers_of_every_evaluator_have_no_gap_whatever_the_order(draws: list[str]) -> None:
    streams: dict[str, list[NumberDrawn]] = {}
    rows: dict[str, CurrentBlock] = {}
    numbers: dict[str, list[int]] = {"demo-1": [], "demo-2": []}
    for code in draws:
        block = rows.get(f"{code}-2025", CurrentBlock()).block
        stream = stream_of(code, 2025, block)
        decision = decide(DrawNumber(code, 2025, block, ID), SERIES.fold(streams.get(stream, [])))
        assert not isinstance(decision, Rejection)
        for event in decision:
            assert isinstance(event, NumberDrawn)
            streams.setdefault(stream, []).append(event)
            for row in SERIES.rows(stream, SERIES.fold(streams[stream]), event):
                assert isinstance(row.value, CurrentBlock)
                rows[row.key] = row.value
            numbers[code].append(event.sequence)
    for code, given_out in numbers.items():
        assert given_out == list(range(1, draws.count(code) + 1))
    assert all(len(events) <= BLOCK for events in streams.values())


def test_a_number_names_year_and_evaluator_and_can_be_looked_up() -> None:
    assert certificate_number("D1", 2025, 1) == "SH2025-D1-000001"
    for sequence in (1, 999_999, 1_000_000):
        assert _NUMBER.fullmatch(certificate_number("D1", 2025, sequence))


def test_no_stream_grows_past_a_thousand_events() -> None:
    assert BLOCK <= 1000
