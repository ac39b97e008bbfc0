"""A stack whose services are born by `fork` from one process that has imported everything: a life costs 0.2 s, not 3.

`python -m tests.faults.warm DIR` is the supervisor, and all else is as it always is: each service is a process of its
own that serves HTTP and works, is killed like any other, and is started again by the supervisor.
"""

import asyncio
import ctypes
import importlib
import os
import signal
import subprocess
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import cast

from deploy.local import parts, plan, processes, settings, stack, state, supervisor
from deploy.local.endpoints import Endpoints
from deploy.local.leash import PR_SET_PDEATHSIG
from deploy.local.plan import StackOptions
from deploy.local.processes import Program
from deploy.local.settings import SERVICES

FORKING = get_context("forkserver")
PRELOADED = ["uvloop", "httptools", "uvicorn.protocols.http.httptools_impl", "aiokafka", "deploy.local.supervisor"]

start_otherwise = processes.start


def up(directory: Path, options: StackOptions) -> Endpoints:
    """As `stack.up`, with warm services; nothing may run in `directory` yet."""
    directory = directory.resolve()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    plan.write_options(options, directory)
    (directory / "logs").mkdir(exist_ok=True)
    with (directory / "logs" / "supervisor.log").open("ab") as output:
        command = [sys.executable, "-m", "tests.faults.warm", str(directory)]
        starter = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    while state.running(directory) is None and starter.poll() is None:
        time.sleep(0.05)
    starter.returncode = starter.poll() or 0  # it lives on; do not warn that we leave it
    return stack.up(directory, options)


class Forked:
    """A service's process, in the words of `asyncio.subprocess.Process`."""

    def __init__(self, program: Program) -> None:
        self._process = FORKING.Process(
            target=live, args=(program.name, dict(program.env), str(program.log), os.getpid()), name=program.name
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        self._over = asyncio.Event()
        self.returncode: int | None = None
        asyncio.get_running_loop().add_reader(self._process.sentinel, self._ended)

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        self.returncode = self._process.exitcode
        self._process.close()
        self._over.set()

    async def wait(self) -> int:
        await self._over.wait()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def live(service: str, environment: Mapping[str, str], output: str, supervised_by: int) -> None:
    """One life of a service: what `huchuang serve` does."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    os.setsid()
    log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.environ.update(environment)
    importlib.import_module(f"services.{service}.wiring").serve(settings.read(), "all")


async def start(program: Program) -> Process:
    if program.name in SERVICES:
        return cast(Process, Forked(program))
    return await start_otherwise(program)


def main() -> None:
    FORKING.set_forkserver_preload([*PRELOADED, *(f"services.{name}.wiring" for name in SERVICES)])
    processes.start = start
    parts.STEADY_AFTER = 0.0  # its lives are meant to be short: no pauses that grow
    supervisor.main()


if __name__ == "__main__":
    main()
