"""The mark: how long a log is known to have been, in a file beside the database that no backup of it holds.

A database that went back by other means than `huchuang restore` (a copy of its files, a recovery to a point in time)
still has its old `log_id`. A log that ends before its mark tells it.
"""

import os
from pathlib import Path
from uuid import UUID

import msgspec

from shared.runtime.settings import Settings

FILE = "log-mark.json"


class Mark(msgspec.Struct, frozen=True):
    log_id: UUID
    position: int


def mark_of(settings: Settings, service: str) -> Path:
    """Where a service's mark is."""
    return settings.keeping(service) / FILE


def read_mark(path: Path, log_id: UUID) -> int:
    """How long this log is known to have been; 0 where nothing is known of it."""
    try:
        mark = msgspec.json.decode(path.read_bytes(), type=Mark)
    except (FileNotFoundError, msgspec.MsgspecError):
        return 0
    return mark.position if mark.log_id == log_id else 0


def set_mark(path: Path, log_id: UUID, position: int) -> None:
    """Replace the mark, in one step. Raises OSError: the one before stands then."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(Mark(log_id, position)))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def raise_mark(path: Path, log_id: UUID, position: int) -> None:
    """Set the mark, unless another process of the service has seen the log longer. Raises OSError."""
    if read_mark(path, log_id) < position:
        set_mark(path, log_id, position)
