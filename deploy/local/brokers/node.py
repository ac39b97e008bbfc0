"""What every broker is to the stack: some processes, the address that they answer at, and how many hold a copy."""

import asyncio
from abc import ABC, abstractmethod
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from deploy.local import ports, processes
from deploy.local.failures import StackFailed
from deploy.local.processes import Program

Say = Callable[[str], None]


class BrokerFailed(StackFailed):
    """The broker could not be started or does not do what we need; the message says what to do."""


class Node(NamedTuple):
    """One process of a broker; `program` is asked anew at every start."""

    name: str
    port: int
    program: Callable[[], Awaitable[Program]]

    @property
    def address(self) -> str:
        return f"{ports.LOOPBACK}:{self.port}"


class Broker(ABC):
    """One choice of `--broker`."""

    size: int
    """How many processes it has here; 0 when it runs elsewhere."""
    ports_needed: int
    """Ports on loopback; the first `size` of them are those that clients connect to."""
    patience: float
    """Seconds that a process of it is given to end."""

    @abstractmethod
    async def prepare(self, directory: Path, say: Say) -> None:
        """Get what it is made of. Raises BrokerFailed; `say` is told what takes long."""

    @abstractmethod
    def nodes(self, directory: Path, taken: Sequence[int]) -> tuple[Node, ...]:
        """Its processes on the ports `taken`, which are as many as it needs."""

    def bootstrap(self, taken: Sequence[int]) -> str:
        """Where clients find it: HOST:PORT, several with commas."""
        return ",".join(f"{ports.LOOPBACK}:{port}" for port in taken[: self.size])


async def wait_listening(node: Node, process: Process, log: Path) -> None:
    """Return when the node takes connections. Raises BrokerFailed when it has ended instead."""
    while True:
        try:
            _, writer = await asyncio.open_connection(ports.LOOPBACK, node.port)
        except OSError:
            if process.returncode is not None:
                raise BrokerFailed(f"{node.name} ended with {process.returncode}\n{processes.tail(log)}") from None
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return
