"""A broker for the length of a block, without a supervisor: for tests and benchmarks."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local import ports, processes
from deploy.local.brokers.choice import DEFAULT, broker_of
from deploy.local.brokers.node import Broker, BrokerFailed, wait_listening
from deploy.local.brokers.topics import MOST_COPIES, TOPICS, create_when_up
from deploy.local.processes import Program


class Running:
    """A broker whose processes are ours; nobody starts them again but the caller."""

    def __init__(self, broker: Broker, directory: Path, taken: Sequence[int]) -> None:
        self._broker = broker
        self._nodes = self._broker.nodes(directory, taken)
        self._processes: dict[int, tuple[Process, Program]] = {}
        self.bootstrap = self._broker.bootstrap(taken)

    async def start(self, topics: Sequence[str] = TOPICS) -> None:
        """Start what does not run, and return when all of it serves `topics`. Raises BrokerFailed."""
        missing = [number for number in range(len(self._nodes)) if number not in self._processes]
        await asyncio.gather(*map(self._start, missing))
        copies = min(MOST_COPIES, self._broker.size)
        for process, program in self._processes.values():
            await create_when_up(self.bootstrap, process, program.log, topics, copies=copies)

    async def _start(self, number: int) -> None:
        node = self._nodes[number]
        program = await node.program()
        process = await processes.start(program)
        self._processes[number] = process, program
        await wait_listening(node, process, program.log)

    async def kill(self, number: int = 0) -> None:
        """SIGKILL one of them, and return when it is gone."""
        process, _ = self._processes.pop(number)
        process.kill()
        await process.wait()

    def process(self, number: int = 0) -> int:
        """The process id of one of them."""
        return self._processes[number][0].pid

    async def stop(self) -> None:
        """End them all."""
        running, self._processes = self._processes, {}
        patience = self._broker.patience
        await asyncio.gather(*(processes.stop(*each, patience=patience) for each in running.values()))


@asynccontextmanager
async def running(directory: Path, choice: str = DEFAULT, *, topics: Sequence[str] = TOPICS) -> AsyncIterator[Running]:
    """One of our own on free ports, with `topics`. Its log is in DIRECTORY/logs, what it keeps in DIRECTORY."""
    broker = broker_of(choice)
    await broker.prepare(directory, lambda step: None)
    for last in (False, False, True):
        started = Running(broker, directory, [ports.any_free() for _ in range(broker.ports_needed)])
        try:
            await started.start(topics)
        except BrokerFailed:
            await started.stop()
            if last:
                raise
            continue  # most likely somebody took a port in between
        except BaseException:
            await started.stop()
            raise
        break
    try:
        yield started
    finally:
        await started.stop()


@asynccontextmanager
async def running_broker(
    directory: Path, *, port: int | None = None, topics: Sequence[str] = TOPICS
) -> AsyncIterator[str]:
    """An empty Tansu with `topics`, on `port` if one is given; yields its bootstrap address."""
    if port is None:
        async with running(directory, topics=topics) as started:
            yield started.bootstrap
        return
    chosen = Running(broker_of(DEFAULT), directory, [port])
    try:
        await chosen.start(topics)
        yield chosen.bootstrap
    finally:
        await chosen.stop()
