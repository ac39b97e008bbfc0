"""The process that owns one stack: PostgreSQL, the broker and the six services, in this order.

It starts again what ends, writes DIR/state.json at every change and DIR/endpoints.json once all is ready. SIGTERM and
SIGINT end everything in the opposite order. Should it be killed, the kernel ends its children (see `leash`).
"""

import asyncio
import fcntl
import logging
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import httpx

from deploy.local import databases, endpoints, migrations, owner, postgres, processes, settings, state
from deploy.local.brokers import topics
from deploy.local.brokers.choice import broker_of
from deploy.local.brokers.node import Broker, Node, wait_listening
from deploy.local.failures import StackFailed
from deploy.local.onboarding import onboard
from deploy.local.parts import Part
from deploy.local.plan import Plan, StackOptions, make_plan, read_options
from deploy.local.ports import Claims
from deploy.local.processes import Program
from deploy.local.settings import SERVICES
from deploy.local.state import PartState, StackState
from deploy.local.tokens import SandboxIssuer
from shared.recovery.identity import RESTORED

LOCK = "supervisor.lock"
SERVICE_PATIENCE = 120.0  # seconds until a service that runs must be ready
WRITE_AGAIN_SECONDS = 1.0
IDENTITY = "identity"
SERVE = (sys.executable, "-m", "deploy.local.cli", "serve")

log = logging.getLogger("supervisor")


class Supervisor:
    """One stack in one directory, from `run` to its end."""

    def __init__(self, directory: Path, options: StackOptions) -> None:
        self.directory = directory
        self.options = options
        pid = os.getpid()
        self.state = StackState(pid=pid, born=processes.born(pid) or 0.0, started_at=datetime.now(UTC))
        self._parts: list[Part] = []
        self._claims = Claims()
        self._unwritten: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Start everything and keep it running until cancelled. Raises what made that impossible, all stopped again."""
        endpoints.remove(self.directory)
        try:
            await self._start()
            self._say("ready")
            await self._until_a_part_cannot_be_kept()
        except Exception as failure:
            self.state.error = str(failure) or repr(failure)
            self._say("failed")
            raise
        finally:
            endpoints.remove(self.directory)
            if self.state.phase != "failed":
                self._say("stopping")
            await self._stop()
            self._claims.release()
            if self.state.phase != "failed":
                self._say("stopped")

    async def _start(self) -> None:
        issuer = SandboxIssuer(self.directory / "keys")
        plan = make_plan(self.directory, self.options, issuer, self._claims.take)
        settings.write(plan.settings, self.directory / settings.FILE)
        if plan.postgres_port is not None:
            await self._start_postgres(plan.postgres_port, plan.admin)
        self._say("starting", "databases")
        await databases.provision(plan.admin, plan.passwords, fresh=self.options.fresh and plan.postgres_port is None)
        self._say("starting", "migrations")
        behind = await migrations.migrate_all(plan.settings.databases, self.directory)
        log.info("migrated: %s", ", ".join(behind) or "nothing")
        await self._start_broker(plan)
        await self._start_services(plan)
        reader = databases.dsn(plan.admin, databases.READER, plan.passwords[databases.READER], "huchuang_registry")
        found = endpoints.of(plan.settings, reader, issuer.tokens())
        if restored := [name for name in SERVICES if await _is_restored(plan.settings.services[name])]:
            log.warning("restored from a backup: run huchuang reconcile %s", " ".join(restored))
        elif self.options.service_command is None:
            self._say("starting", "clients")
            await onboard(plan.settings, found)
        endpoints.write(found, self.directory)

    async def _start_postgres(self, port: int, dsn: str) -> None:
        self._say("starting", "postgres")

        async def program() -> Program:
            return (await postgres.prepare(self.directory)).program(port)

        async def until_ready(process: Process) -> None:
            await postgres.wait_ready(dsn, process, self._log("postgres"))

        await self._part("postgres", f"127.0.0.1:{port}", program, until_ready, patience=60).start()

    async def _start_broker(self, plan: Plan) -> None:
        self._say("starting", "broker")
        chosen = broker_of(self.options.broker)
        await chosen.prepare(self.directory, lambda step: self._say("starting", step))
        nodes = chosen.nodes(self.directory, plan.broker_ports)
        await _together(self._node(node, chosen, plan.settings.kafka) for node in nodes)
        await topics.create_topics(plan.settings.kafka)

    def _node(self, node: Node, of: Broker, bootstrap: str) -> Part:
        log = self._log(node.name)

        async def until_ready(process: Process) -> None:
            await wait_listening(node, process, log)
            # At every start: Tansu comes back empty, and any other may have lost what it kept.
            await topics.create_when_up(bootstrap, process, log, copies=min(topics.MOST_COPIES, of.size))

        return self._part(node.name, node.address, node.program, until_ready, patience=of.patience)

    async def _start_services(self, plan: Plan) -> None:
        self._say("starting", "services")
        parts = [self._service(name, plan) for name in SERVICES]
        if self.options.service_command is None and plan.settings.sign_in is not None:
            parts.append(self._identity(plan.settings.sign_in.provider))
        await _together(parts)

    def _service(self, name: str, plan: Plan) -> Part:
        url = plan.settings.services[name]
        program = Program(
            name=name,
            argv=(*(self.options.service_command or SERVE), name),
            log=self._log(name),
            env={
                settings.DIRECTORY_VARIABLE: str(self.directory),
                "HUCHUANG_SERVICE": name,
                "HUCHUANG_SERVICE_PORT": str(plan.settings.address(name)[1]),
                "PYTHONUNBUFFERED": "1",
            },
        )

        async def as_before() -> Program:
            return program

        async def until_ready(process: Process) -> None:
            await _until_answers(f"{url}/readyz", process, program.log)

        return self._part(name, url, as_before, until_ready)

    def _identity(self, url: str) -> Part:
        """The provider of the sandbox's people, which plays the app's backend as well."""
        program = Program(
            name=IDENTITY,
            argv=(sys.executable, "-m", "deploy.local.identity"),
            log=self._log(IDENTITY),
            env={settings.DIRECTORY_VARIABLE: str(self.directory)},
        )

        async def as_before() -> Program:
            return program

        async def until_ready(process: Process) -> None:
            await _until_answers(f"{url}/.well-known/openid-configuration", process, program.log)

        return self._part(IDENTITY, url, as_before, until_ready)

    def _part(
        self,
        name: str,
        url: str,
        program: Callable[[], Awaitable[Program]],
        until_ready: Callable[[Process], Awaitable[None]],
        patience: float = 20.0,
    ) -> Part:
        described = self.state.parts[name] = PartState(name=name, url=url, log=str(self._log(name)))
        part = Part(described, program, until_ready, self._changed, patience=patience)
        self._parts.append(part)
        return part

    async def _until_a_part_cannot_be_kept(self) -> None:
        done, _ = await asyncio.wait([part.life for part in self._parts if part.life], return_when="FIRST_COMPLETED")
        for life in done:
            await life

    async def _stop(self) -> None:
        """Services first, all at once, then the broker's nodes; then what is left, youngest first."""
        services = [part for part in self._parts if part.state.name in SERVICES]
        brokers = [part for part in self._parts if part.state.name.startswith("broker")]
        for together in (services, brokers, *([part] for part in reversed(self._parts))):
            await asyncio.gather(*(part.stop() for part in together))
        postgres.remove_sockets(self.directory)

    def _log(self, name: str) -> Path:
        return self.directory / "logs" / f"{name}.log"

    def _say(self, phase: state.Phase, step: str = "") -> None:
        log.info("%s %s", phase, step)
        self.state.phase, self.state.step = phase, step
        self._changed()

    def _changed(self) -> None:
        """Write down what changed; a disk without room for it stops nobody, and is tried until there is some."""
        if self._unwritten is not None:
            self._unwritten.cancel()
            self._unwritten = None
        try:
            state.write(self.state, self.directory)
        except OSError as error:
            log.error("%s is not written: %s", state.FILE, error)
            self._unwritten = asyncio.get_running_loop().call_later(WRITE_AGAIN_SECONDS, self._changed)


async def _together(parts: Iterable[Part]) -> None:
    """Start some parts at once; return when all are ready. Raises StackFailed as soon as one cannot be started."""
    starts = {asyncio.create_task(part.start()) for part in parts}
    if not starts:
        return
    done, rest = await asyncio.wait(starts, return_when=asyncio.FIRST_EXCEPTION)
    for start in rest:
        start.cancel()
    for start in done:
        start.result()


async def _is_restored(url: str) -> bool:
    """Whether a service waits for `huchuang reconcile`."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        try:
            return _says_restored(await client.get(f"{url}/readyz"))
        except httpx.TransportError:
            return False


def _says_restored(answer: httpx.Response) -> bool:
    """Such a service runs, answers nothing, and is not to be started again: everything else goes on without it."""
    return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and f'"{RESTORED}"' in answer.text


async def _until_answers(url: str, process: Process, output: Path) -> None:
    """Return when `url` answers 200, or that it was restored from a backup and waits."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SERVICE_PATIENCE
    said: str = "nothing"
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        while loop.time() < deadline:
            if process.returncode is not None:
                raise StackFailed(f"ended with {process.returncode}\n{processes.tail(output)}")
            try:
                answer = await client.get(url)
            except httpx.TransportError as unreachable:
                said = repr(unreachable)
            else:
                if answer.status_code == httpx.codes.OK or _says_restored(answer):
                    return
                said = f"{answer.status_code} {answer.text[:500]}"
            await asyncio.sleep(0.1)
    raise StackFailed(f"not ready after {SERVICE_PATIENCE:.0f} s: {url} said {said}")


async def _supervise(directory: Path) -> int:
    supervisor = Supervisor(directory, read_options(directory))
    task = asyncio.create_task(supervisor.run())
    loop = asyncio.get_running_loop()

    def end() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, log.info, "already stopping")
        if not task.cancelling():
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)

    async def end_with(name: str) -> None:
        await owner.until_gone(name)
        log.warning("process %s, whose stack this is, has gone", name)
        end()

    owned = asyncio.create_task(end_with(name)) if (name := os.environ.get(owner.VARIABLE)) else None
    try:
        await task
    except asyncio.CancelledError:
        return 0
    finally:
        if owned is not None:
            owned.cancel()
    return 0


def main() -> None:
    """`python -m deploy.local.supervisor DIR`; ends with 3 when DIR has a supervisor already."""
    directory = Path(sys.argv[1]).resolve()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    for noisy in ("httpx", "aiokafka"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    with (directory / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(3)
        sys.exit(asyncio.run(_supervise(directory)))


if __name__ == "__main__":
    main()
