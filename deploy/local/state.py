"""DIR/state.json: what the supervisor says of itself and its parts, replaced in one step at every change."""

from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from deploy.local import processes
from deploy.local.secrets import write_private

FILE = "state.json"
Phase = Literal["starting", "ready", "stopping", "stopped", "failed"]


class PartState(msgspec.Struct, kw_only=True):
    """One supervised process. `born` tells it from a later process with its number."""

    name: str
    log: str
    url: str | None = None
    pid: int | None = None
    born: float | None = None
    ready: bool = False
    restarts: int = 0
    started_at: datetime | None = None
    last_exit: int | None = None


class StackState(msgspec.Struct, kw_only=True):
    """The whole stack. `step` is what a start is doing now; `error` why the phase is `failed`."""

    pid: int
    born: float
    started_at: datetime
    phase: Phase = "starting"
    step: str = ""
    error: str | None = None
    parts: dict[str, PartState] = {}


def write(state: StackState, directory: Path) -> None:
    write_private(directory / FILE, msgspec.json.format(msgspec.json.encode(state)))


def read(directory: Path) -> StackState | None:
    """The last state that a supervisor of this directory wrote, whether or not it still runs."""
    try:
        return msgspec.json.decode((directory / FILE).read_bytes(), type=StackState)
    except FileNotFoundError:
        return None


def running(directory: Path) -> StackState | None:
    """The state of the supervisor that runs now; None when there is none."""
    state = read(directory)
    return state if state is not None and processes.is_running(state.pid, state.born) else None
