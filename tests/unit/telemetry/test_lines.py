"""Log lines where there is no room for them: the work goes on, and the first line after says what is missing."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.telemetry.lines import Lines

FULL = "/dev/full"
LOST = '{"event":"lines_lost","level":"error","lines":%d}\n'


@pytest.fixture
def file(tmp_path: Path) -> Iterator[tuple[Lines, Path]]:
    path = tmp_path / "log"
    with path.open("ab", buffering=0) as opened:
        yield Lines(opened.fileno()), path


def test_lines_are_written_whole_and_at_once(file: tuple[Lines, Path]) -> None:
    lines, path = file
    lines.write("一\n")
    lines.write_bytes(b"two\nthree\n")
    lines.flush()
    assert path.read_text() == "一\ntwo\nthree\n"


def test_what_is_no_text_is_told_all_the_same(file: tuple[Lines, Path]) -> None:
    lines, path = file
    lines.write("\udc80\n")
    assert path.read_bytes() == b"\\udc80\n"


def test_lines_for_which_there_is_no_room_are_counted() -> None:
    with open(FULL, "wb", buffering=0) as full:
        lines = Lines(full.fileno())
        lines.write("one\n")
        lines.write("two\nthree\n")
        assert lines.lost == 3


def test_the_first_line_after_says_how_many_are_missing(file: tuple[Lines, Path]) -> None:
    lines, path = file
    lines.write("before\n")
    kept, full = os.dup(lines.descriptor), os.open(FULL, os.O_WRONLY)
    os.dup2(full, lines.descriptor)
    lines.write("one\ntwo\n")
    os.dup2(kept, lines.descriptor)
    os.close(kept)
    os.close(full)
    lines.write("after\n")
    lines.write("more\n")
    assert path.read_text() == "before\n" + LOST % 2 + "after\nmore\n"


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_line_that_was_torn_off_does_not_spoil_the_next(file: tuple[Lines, Path]) -> None:
    lines, path = file
    with files_of_at_most(10):
        lines.write("a long line\n")
    assert lines.lost == 1
    lines.write("next\n")
    assert path.read_text() == "a long lin\n" + LOST % 1 + "next\n"


PROGRAM = """
import logging, sys
import structlog
from shared.telemetry.logs import configure_logs
configure_logs("training")
structlog.get_logger().error("told", code=1)
logging.getLogger("library").error("told %s", "too")
print("done", file=sys.stderr)
"""


def test_a_program_whose_log_has_no_room_goes_on() -> None:
    with open(FULL, "wb") as full:
        done = subprocess.run([sys.executable, "-c", PROGRAM], stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"done\n")


def test_logs_are_json_lines() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["event"], line["level"]) for line in told] == [("told", "error"), ("told too", "error")]
    assert told[0]["service"] == "training"
