"""Fault points: the named lines at which a process may be killed, frozen or made to fail, in order to see what holds.

Each name is `what.where`: where a process stands when it reaches the line. A point that is not armed costs one look
at an empty dictionary. Services arm points only in the local profile, from `HUCHUANG_FAULTS`, such as
`sequence.written:kill:3` (kill this process the third time it gets there); several are separated by commas. A harness
that kills one life of a process after the other leaves such words in a file (`arm_left_in`).
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

VARIABLE = "HUCHUANG_FAULTS"
DIRECTORY = "faults"
"""Where, in a stack's directory, a harness leaves for each service what to arm, in a file of the service's name."""
FIRED = ".fired"
"""What the name of the file ends with in which a service notes, before it happens, each fault that fires."""


class FaultPoint(StrEnum):
    """Every point there is, in the order in which an event passes them."""

    IMPORT_TAKEN = "import.taken"
    """A file of results has come, none of its lines has been looked at."""
    IMPORT_JUDGED = "import.judged"
    """Each of its lines is judged, nothing has been sent to the database."""
    APPEND_DECIDED = "append.decided"
    """The command is decided, nothing has been sent to the database."""
    APPEND_COMMITTED = "append.committed"
    """The group is committed, no caller has been answered."""
    SEQUENCE_TAKEN = "sequence.taken"
    """Unsequenced events are read, they have no position yet."""
    SEQUENCE_HASHED = "sequence.hashed"
    """Leaves and peaks are made, nothing is written."""
    SEQUENCE_WRITTEN = "sequence.written"
    """Positions are committed, nobody in this process has been told."""
    PUBLISH_READ = "publish.read"
    """A batch is read from the log, nothing has been sent to the broker."""
    PUBLISH_SENT = "publish.sent"
    """A batch is on its way to the broker, no acknowledgement has come."""
    PUBLISH_ACKNOWLEDGED = "publish.acknowledged"
    """The broker has the batch, the relay's checkpoint has not moved."""
    PUBLISH_CHECKPOINTED = "publish.checkpointed"
    RECEIVE_TAKEN = "receive.taken"
    """Messages are fetched from the broker, the inbox has not seen them."""
    EFFECT_NOTED = "effect.noted"
    """Positions are noted as applied, in an open transaction, before their effect."""
    EFFECT_MADE = "effect.made"
    """The effect is written, the transaction is still open."""
    EFFECT_COMMITTED = "effect.committed"
    """Effect and note are committed, the offsets have not been noted."""
    RETRY_MADE = "retry.made"
    """A parked message has taken effect, in an open transaction."""
    FOLLOW_APPLIED = "follow.applied"
    """A projection has written a batch, the transaction with its checkpoint is still open."""
    FOLLOW_COMMITTED = "follow.committed"
    REACT_DONE = "react.done"
    """A process has carried out its reactions to an event, which still counts as waiting."""
    TIMER_TAKEN = "timer.taken"
    """A due timer is read, its process has not been woken."""
    TIMER_DONE = "timer.done"
    """The process has been woken, the timer is still there."""
    HEAD_SIGNED = "head.signed"
    """A head is signed, it is not kept yet."""
    WORK_TOLD = "work.told"
    """Long work has told how far it is: some of its items are done, others are not."""
    WORK_DONE = "work.done"
    """Long work is done, its result is not kept yet."""
    WEBHOOK_TAKEN = "webhook.taken"
    """A message that an endpoint is owed is read, nothing has been sent."""
    WEBHOOK_SENT = "webhook.sent"
    """The receiver has answered, or cannot be reached; the attempt is not recorded."""
    RESTORE_LOADED = "restore.loaded"
    """A backup is loaded beside the live database and is what it says it is, nothing has changed places."""
    RESTORE_SWAPPED = "restore.swapped"
    """The restored database is the live one, nobody has been told."""
    RECONCILE_WRITTEN = "reconcile.written"
    """The lost tail is back, what follows from it is not."""
    RECONCILE_MENDED = "reconcile.mended"
    """What follows from the tail is back, the log still has its new id."""


class Injected(Exception):
    """What a point raises that is armed with `fail`."""


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _fail() -> None:
    raise Injected


ACTIONS: dict[str, Callable[[], None]] = {"kill": _kill, "stop": _stop, "fail": _fail}

_armed: dict[FaultPoint, Callable[[], None]] = {}


def reached(point: FaultPoint) -> None:
    """Called where the point is."""
    if _armed and (act := _armed.get(point)) is not None:
        act()


def arm(point: FaultPoint, action: Callable[[], None], on: int = 1) -> None:
    """Do `action` the `on`-th time that the point is reached, once."""
    left = on

    def act() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            _armed.pop(point, None)
            action()

    _armed[point] = act


@contextmanager
def armed(point: FaultPoint, action: Callable[[], None] = _fail, on: int = 1) -> Iterator[None]:
    """Armed within this block."""
    arm(point, action, on)
    try:
        yield
    finally:
        _armed.pop(point, None)


def arm_from_environment() -> None:
    """Arm what `HUCHUANG_FAULTS` names. Raises ValueError for a point or an action that there is not."""
    for point, action, on in read(os.environ.get(VARIABLE, "")):
        arm(point, ACTIONS[action], on)


def arm_left_in(file: Path) -> None:
    """Arm, in place of all that is armed, what FILE names, and take the file away: it is for one process, once.

    The first to fire is the only one. It is noted in FILE.fired before, so that whoever left the file knows what became
    of it. Does nothing when there is no such file. Raises ValueError for a point or an action that there is not.
    """
    taken = file.with_suffix(f".{os.getpid()}")
    try:
        file.rename(taken)
    except FileNotFoundError:
        return
    words = taken.read_text()
    taken.unlink()
    _armed.clear()
    for point, action, on in read(words):
        arm(point, _noting(file.with_suffix(FIRED), point, action), on)


def read(words: str) -> Iterator[tuple[FaultPoint, str, int]]:
    """Point, action and count of each word such as `sequence.written:kill:3`. Raises ValueError."""
    for item in filter(None, words.split(",")):
        name, _, rest = item.strip().partition(":")
        action, _, count = rest.partition(":")
        if action not in ACTIONS:
            raise ValueError(f"{item!r} names no action of {', '.join(ACTIONS)}")
        yield FaultPoint(name), action, int(count or 1)


def _noting(journal: Path, point: FaultPoint, action: str) -> Callable[[], None]:
    def act() -> None:
        with journal.open("a") as lines:
            lines.write(f"{point}:{action}:{os.getpid()}\n")
        _armed.clear()
        ACTIONS[action]()

    return act
