"""A stack whose services are born by `fork` from one process that has imported everything: a life costs 0.2 s, not 3.

`python -m tests.faults.warm DIR` is the supervisor, and all else is as it always is: each service is a process of its
own that serves HTTP and works, is killed like any other, and is started again by the supervisor. `Arrangement` says
what a test wants to be otherwise: proxies before the services, and a second worker of each.
"""

import asyncio
import ctypes
import dataclasses
import importlib
import os
import signal
import subprocess
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Mapping
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import cast

import msgspec
from msgspec.structs import replace

from deploy.local import parts, plan, ports, processes, settings, stack, state, supervisor
from deploy.local.endpoints import Endpoints
from deploy.local.failures import StackFailed
from deploy.local.leash import PR_SET_PDEATHSIG
from deploy.local.plan import Plan, StackOptions
from deploy.local.processes import Program
from deploy.local.settings import SERVICES
from deploy.local.tokens import SandboxIssuer
from shared.eventstore import lease

FORKING = get_context("forkserver")
PRELOADED = ["uvloop", "httptools", "uvicorn.protocols.http.httptools_impl", "aiokafka", "deploy.local.supervisor"]

FILE = "arrangement.json"
SECOND = "second"
"""The directory, in the stack's, that the second workers have as their own."""
APART = 50
"""How far the ports of second workers are from those of the first."""

LEASE = timedelta(seconds=1)

start_otherwise = processes.start
plan_otherwise = plan.make_plan


class Arrangement(msgspec.Struct, frozen=True, kw_only=True):
    """What a test wants to be otherwise than in every stack."""

    proxies: dict[str, int] = {}
    """The ports at which all services are reached, by each other and by everybody; none: their own."""
    seconds: tuple[str, ...] = ()
    """Services that run twice, on the same database and topics."""


def second(service: str) -> str:
    """The name of the part that is the second worker of a service."""
    return f"{service}.{SECOND}"


def up(directory: Path, options: StackOptions, arrangement: Arrangement | None = None) -> Endpoints:
    """As `stack.up`, with warm services; nothing may run in `directory` yet."""
    directory = directory.resolve()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    plan.write_options(options, directory)
    (directory / FILE).write_bytes(msgspec.json.encode(arrangement or Arrangement()))
    (directory / "logs").mkdir(exist_ok=True)
    with (directory / "logs" / "supervisor.log").open("ab") as output:
        command = [sys.executable, "-m", "tests.faults.warm", str(directory)]
        starter = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    while state.running(directory) is None and starter.poll() is None:
        time.sleep(0.05)
    if starter.poll() is not None:
        raise StackFailed(processes.tail(directory / "logs" / "supervisor.log"))
    starter.returncode = 0  # it lives on; do not warn that we leave it
    return stack.up(directory, options)


def arrangement_of(directory: Path) -> Arrangement:
    return msgspec.json.decode((directory / FILE).read_bytes(), type=Arrangement)


def make_plan(directory: Path, options: StackOptions, issuer: SandboxIssuer, free: ports.Free = ports.is_free) -> Plan:
    """The plan of every stack, with services reached through their proxies."""
    made = plan_otherwise(directory, options, issuer, free)
    proxied = {name: f"http://127.0.0.1:{port}" for name, port in arrangement_of(directory).proxies.items()}
    if not proxied:
        return made
    registry = proxied["registry"]
    reached = replace(
        made.settings,
        services=proxied,
        authority=registry,
        issuers=(settings.own_issuer(registry, registry), *made.settings.issuers[1:]),
    )
    return dataclasses.replace(made, settings=reached)


class WarmSupervisor(supervisor.Supervisor):
    """Starts second workers as well."""

    async def _start_services(self, plan: Plan) -> None:
        await super()._start_services(plan)
        own = self.directory / SECOND
        addresses = {name: plan.settings.address(name) for name in SERVICES}
        listen = {name: f"{host}:{port + APART}" for name, (host, port) in addresses.items()}
        seconds = replace(plan.settings, directory=str(own), listen=listen)
        own.mkdir(exist_ok=True)
        settings.write(seconds, own / settings.FILE)
        wanted = arrangement_of(self.directory).seconds
        await asyncio.gather(*(self._second(name, listen[name]).start() for name in wanted))

    def _second(self, name: str, address: str) -> parts.Part:
        program = Program(
            name=name,
            argv=(),
            log=self._log(second(name)),
            env={settings.DIRECTORY_VARIABLE: str(self.directory / SECOND)},
        )

        async def as_before() -> Program:
            return program

        async def until_ready(process: Process) -> None:
            await supervisor._until_answers(f"http://{address}/readyz", process, program.log)

        return self._part(second(name), f"http://{address}", as_before, until_ready)


class Forked:
    """A service's process, in the words of `asyncio.subprocess.Process`."""

    def __init__(self, program: Program) -> None:
        self._process = FORKING.Process(
            target=live, args=(program.name, dict(program.env), str(program.log)), name=program.name
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


def live(service: str, environment: Mapping[str, str], output: str) -> None:
    """One life of a service: what `huchuang serve` does, with leases that last a second, as every kill leaves one."""
    lease.TTL = LEASE
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
    supervisor.make_plan = make_plan  # type: ignore[attr-defined]
    supervisor.Supervisor = WarmSupervisor  # type: ignore[misc]
    parts.STEADY_AFTER = 0.0  # its lives are meant to be short: no pauses that grow
    supervisor.main()


if __name__ == "__main__":
    main()
