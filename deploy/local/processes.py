"""Child processes of the stack: how one is described, started, recognised and stopped."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

LEASH = Path(__file__).with_name("leash.py")
LOG_LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True)
class Account:
    """An operating system account that a child runs under."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Program:
    """What to run. `stop` asks it to end cleanly; the same signal reaches it when its parent dies (Linux)."""

    name: str
    argv: tuple[str, ...]
    log: Path
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    stop: signal.Signals = signal.SIGTERM


async def start(program: Program) -> Process:
    """Start `program` in a session of its own (a Ctrl-C in the terminal reaches its parent only), output to its log."""
    uid, gid = (program.account.uid, program.account.gid) if program.account else (0, 0)
    leash = (sys.executable, "-I", str(LEASH), str(os.getpid()), str(int(program.stop)), str(uid), str(gid))
    program.log.parent.mkdir(parents=True, exist_ok=True)
    _turn_over(program.log)
    with program.log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *leash,
            *program.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=program.cwd,
            env={**os.environ, **program.env},
            start_new_session=True,
        )


async def stop(process: Process, program: Program, patience: float = 20.0) -> int:
    """Ask the child to end, kill it after `patience` seconds; returns its exit code."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(program.stop)
        try:
            return await asyncio.wait_for(process.wait(), patience)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
    return await process.wait()


def born(pid: int) -> float | None:
    """When the process `pid` started (seconds since the machine did), None if there is none.

    Both together name one process, also when the machine's clock is set meanwhile.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.create_time() - psutil.boot_time()
    except psutil.NoSuchProcess:
        return None


def is_running(pid: int, started: float) -> bool:
    """Is this very process, and not a later one with its number, still there?"""
    now = born(pid)
    return now is not None and abs(now - started) < 1.0


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log, for a message to a person."""
    try:
        content = log.read_bytes()[-64 * 1024 :]
    except FileNotFoundError:
        return ""
    return "\n".join(content.decode(errors="replace").splitlines()[-lines:])


def _turn_over(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
