"""What the app backend has received: a file of JSON lines that only grows."""

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A genuine webhook as it came; `came_at` is of the wall clock, UTC."""

    id: str
    type: str
    timestamp: str
    data: dict[str, Any]
    came_at: datetime

    @property
    def said(self) -> tuple[str, str, dict[str, Any]]:
        """What is the same each time it comes."""
        return self.type, self.timestamp, self.data


def read(file: Path) -> list[Received]:
    """Every line, oldest first, one for each time that a webhook came; none when there is no file yet."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return []
    return list(_whole_lines(content))


def _whole_lines(content: bytes) -> Iterator[Received]:
    """A line that a kill has cut short was never answered: it comes again."""
    for line in content.split(b"\n")[:-1]:
        yield msgspec.json.decode(line, type=Received)


class ReceivedFile:
    """The file, written by one process at a time. What is in it outlives that process, though not a power cut."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        content = path.read_bytes()
        self._end = content.rfind(b"\n") + 1
        os.ftruncate(self._file, self._end)
        self._ids: dict[str, None] = {}
        self.repeated = 0
        for received in _whole_lines(content[: self._end]):
            self._count(received.id)

    @property
    def ids(self) -> Sequence[str]:
        """Each id once, in the order in which they first came."""
        return tuple(self._ids)

    def add(self, received: Received) -> None:
        """Write a line. Raises OSError, and has written nothing then."""
        line = msgspec.json.encode(received) + b"\n"
        try:
            if os.write(self._file, line) != len(line):
                raise OSError("there is no room for a whole line")
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        self._end += len(line)
        self._count(received.id)

    def close(self) -> None:
        os.close(self._file)

    def _count(self, id: str) -> None:
        self.repeated += id in self._ids
        self._ids[id] = None
