"""The mark of how long a log has been: it rises, whoever keeps it, and stands where there is no room for another."""

import resource
from pathlib import Path
from uuid import UUID

import pytest

from shared.recovery.mark import raise_mark, read_mark, set_mark

LOG, OTHER = UUID(int=1), UUID(int=2)


def test_a_process_that_lags_does_not_lower_what_another_has_seen(tmp_path: Path) -> None:
    path = tmp_path / "registry" / "log-mark.json"
    raise_mark(path, LOG, 7)
    raise_mark(path, LOG, 5)
    assert read_mark(path, LOG) == 7
    raise_mark(path, LOG, 9)
    assert read_mark(path, LOG) == 9
    set_mark(path, LOG, 3)
    assert read_mark(path, LOG) == 3


def test_a_mark_is_of_one_log(tmp_path: Path) -> None:
    path = tmp_path / "log-mark.json"
    raise_mark(path, LOG, 7)
    assert read_mark(path, OTHER) == 0
    raise_mark(path, OTHER, 2)
    assert (read_mark(path, LOG), read_mark(path, OTHER)) == (0, 2)


def test_what_is_no_mark_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log-mark.json"
    assert read_mark(path, LOG) == 0
    path.write_bytes(b"")
    assert read_mark(path, LOG) == 0


def test_a_mark_for_which_there_is_no_room_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "log-mark.json"
    raise_mark(path, LOG, 7)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            raise_mark(path, LOG, 8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert read_mark(path, LOG) == 7
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
