"""Fault points: armed by words, in the environment or left in a file, once."""

from pathlib import Path

import pytest

from shared.testing.fault_points import FaultPoint, Injected, arm_left_in, armed, reached, read

POINT = FaultPoint.APPEND_DECIDED


@pytest.mark.parametrize("words", ["append.decided:explode", "nowhere:kill", "append.decided:kill:often"])
def test_what_names_no_point_no_action_or_no_count_is_refused(words: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        list(read(words))


def test_a_point_fires_once_when_it_is_reached_so_often() -> None:
    with armed(POINT, on=3):
        reached(POINT)
        reached(POINT)
        with pytest.raises(Injected):
            reached(POINT)
        reached(POINT)


def test_what_is_left_in_a_file_is_taken_once_in_place_of_what_is_armed_and_noted_when_it_fires(tmp_path: Path) -> None:
    file = tmp_path / "service"
    file.write_text("sequence.taken:fail")
    arm_left_in(file)
    file.write_text("append.decided:fail:2,publish.sent:fail")
    arm_left_in(file)
    assert not file.exists()
    reached(FaultPoint.SEQUENCE_TAKEN)
    reached(POINT)
    assert not file.with_suffix(".fired").exists()
    with pytest.raises(Injected):
        reached(POINT)
    [line] = file.with_suffix(".fired").read_text().splitlines()
    assert line.startswith("append.decided:fail:")
    reached(FaultPoint.PUBLISH_SENT)


def test_an_empty_file_disarms(tmp_path: Path) -> None:
    file = tmp_path / "service"
    for words in ("publish.sent:fail", ""):
        file.write_text(words)
        arm_left_in(file)
    reached(FaultPoint.PUBLISH_SENT)
