"""Start, watch and end a stack from outside: what `up`, `down` and everything that needs a stack call."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from deploy.local import endpoints, plan, processes, state
from deploy.local.endpoints import Endpoints
from deploy.local.failures import StackFailed
from deploy.local.plan import StackOptions
from deploy.local.processes import LEASH
from deploy.local.state import StackState

DEFAULT_DIRECTORY = Path(".huchuang")
KEPT = (
    *("postgres", "postgres.new", "kafka", "data", "secrets", "keys", "logs", "bin"),
    *("stack.json", "state.json", "options.json", "endpoints.json", "migrations.json"),
    *("traces", "demo.json", "demo.lock", "faults"),
)
"""All that a stack leaves in its directory, and all that `fresh` deletes."""
PAUSE = 0.05

Progress = Callable[[StackState], None]


def up(
    directory: Path, options: StackOptions, *, attached: bool = False, progress: Progress = lambda _: None
) -> Endpoints:
    """Start the stack in `directory` and return when all is ready; one that runs already is left as it is.

    `attached`: it ends when the calling thread does. Raises StackFailed, with the last lines of the failed part's log.
    """
    plan.check_options(options)
    directory = directory.resolve()
    if options.fresh:
        down(directory)
        _delete_kept(directory)
    if (now := state.running(directory)) is not None and now.phase in ("stopping", "failed"):
        _wait_for_end(now)
    if state.running(directory) is None:
        _sweep(directory)
        with _starter(directory, options, attached=attached) as starter:
            return _until_ready(directory, starter, progress)
    return _until_ready(directory, None, progress)


def down(directory: Path) -> bool:
    """End the stack and return when nothing of it runs; False when nothing did."""
    directory = directory.resolve()
    now = state.running(directory)
    if now is not None:
        with suppress(ProcessLookupError):
            os.kill(now.pid, signal.SIGTERM)
        _wait_for_end(now)
    swept = _sweep(directory)
    return now is not None or swept


def wait_until_gone(directory: Path) -> None:
    """Return when the stack has ended. Raises StackFailed when it did not end because it was told to."""
    while state.running(directory) is not None:
        time.sleep(0.2)
    if (last := state.read(directory)) is not None and last.phase == "failed":
        raise StackFailed(str(last.error))


def _wait_for_end(of: StackState) -> None:
    while processes.is_running(of.pid, of.born):
        time.sleep(PAUSE)


@contextmanager
def _starter(directory: Path, options: StackOptions, *, attached: bool) -> Iterator[subprocess.Popen[bytes]]:
    """The supervisor, in a session of its own: a Ctrl-C here is for us, and we pass it on as SIGTERM."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    plan.write_options(options, directory)
    log = directory / "logs" / "supervisor.log"
    log.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "deploy.local.supervisor", str(directory)]
    if attached:
        command = [sys.executable, "-I", str(LEASH), str(os.getpid()), str(int(signal.SIGTERM)), "0", "0", *command]
    with log.open("ab") as output:
        starter = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield starter
    except BaseException:
        starter.terminate()
        starter.wait()
        raise
    finally:
        starter.returncode = starter.poll() or 0  # it lives on; do not warn that we leave it


def _until_ready(directory: Path, starter: subprocess.Popen[bytes] | None, progress: Progress) -> Endpoints:
    while True:
        gone = starter is None or starter.poll() is not None
        now = state.running(directory)
        if now is None and gone:
            last = state.read(directory)
            if last is not None and last.phase == "failed":
                raise StackFailed(str(last.error))
            log = directory / "logs" / "supervisor.log"
            raise StackFailed(f"the supervisor ended\n{processes.tail(log)}")
        if now is not None:
            progress(now)
            if now.phase == "ready" and (found := endpoints.read(directory)) is not None:
                return found
        time.sleep(PAUSE)


def _sweep(directory: Path) -> bool:
    """End what a killed supervisor left running. On Linux the kernel has done so, but for what it is too late."""
    last = state.read(directory)
    left = [
        psutil.Process(part.pid)
        for part in (last.parts.values() if last else ())
        if part.pid is not None and part.born is not None and processes.is_running(part.pid, part.born)
    ]
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGINT if process.name() == "postgres" else signal.SIGTERM)
    _, stubborn = psutil.wait_procs(left, timeout=20)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    endpoints.remove(directory)
    return bool(left)


def _delete_kept(directory: Path) -> None:
    """Only what is ours: the directory might be one that holds other things."""
    for name in KEPT:
        path = directory / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
