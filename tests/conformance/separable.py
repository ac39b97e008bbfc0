"""Three nodes that reach each other through proxies, one for each pair and way: any of them can be partitioned away.

A node knows the others by names, which its own hosts file leads to addresses that only it uses: 127.0.M.N is where
node M finds node N. Clients reach all of them straight, so one that is cut off from the others still answers.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import permutations
from pathlib import Path

from deploy.local import ports
from deploy.local.brokers.apache import Apache
from deploy.local.brokers.node import Node
from deploy.local.brokers.running import Running
from deploy.local.processes import Program
from tests.faults.proxy import NONE, FaultProxy, Trouble, proxied

NODES = (1, 2, 3)
LISTENERS = "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,BETWEEN:PLAINTEXT"


def where(of: int, node: int) -> str:
    """The address at which a node finds another, or itself."""
    return ports.LOOPBACK if of == node else f"127.0.{of}.{node}"


class Separable(Apache):
    """Apache Kafka with a third listener, for what the nodes tell each other about the events."""

    def __init__(self) -> None:
        super().__init__(len(NODES))
        self.ports_needed = 3 * self.size
        self.between: list[tuple[int, int]] = []
        """Node and port of each listener that the others reach."""

    def nodes(self, directory: Path, taken: Sequence[int]) -> tuple[Node, ...]:
        own = dict(zip(NODES, taken[2 * self.size :], strict=True))
        controllers = dict(zip(NODES, taken[self.size : 2 * self.size], strict=True))
        self.between = [*own.items(), *controllers.items()]
        made = super().nodes(directory, taken[: 2 * self.size])
        return tuple(_named(node, number, own[number], controllers) for number, node in zip(NODES, made, strict=True))


def _named(node: Node, number: int, port: int, controllers: Mapping[int, int]) -> Node:
    """The node as it is, but for the names by which it knows the others and tells them where it is."""

    async def program() -> Program:
        made = await node.program()
        assert made.cwd is not None
        hosts, settings = made.cwd / "hosts", made.cwd / "server.properties"
        hosts.write_text("".join(f"{where(number, other)} node-{other}\n" for other in NODES))
        hosts.chmod(0o644)
        kept = dict(line.split("=", 1) for line in settings.read_text().splitlines())
        told = f"BETWEEN://node-{number}:{port},CONTROLLER://node-{number}:{controllers[number]}"
        kept |= {
            "controller.quorum.voters": ",".join(f"{each}@node-{each}:{at}" for each, at in controllers.items()),
            "listeners": f"{kept['listeners']},BETWEEN://{ports.LOOPBACK}:{port}",
            "advertised.listeners": f"{kept['advertised.listeners']},{told}",
            "inter.broker.listener.name": "BETWEEN",
            "listener.security.protocol.map": LISTENERS,
        }
        settings.write_text("".join(f"{key}={value}\n" for key, value in kept.items()))
        java, *rest = made.argv
        reached = Path(rest[-1]).with_name(hosts.name)
        return replace(made, argv=(java, f"-Djdk.net.hosts.file={reached}", *rest))

    return Node(node.name, node.port, program)


class Separated:
    """The nodes, and what stands between them."""

    def __init__(self, running: Running, proxies: dict[tuple[int, int], list[FaultProxy]]) -> None:
        self.running = running
        self._proxies = proxies

    def partition(self, node: int, trouble: Trouble) -> None:
        """Make this trouble between a node and all others, in both directions."""
        for pair, proxies in self._proxies.items():
            if node in pair:
                for proxy in proxies:
                    proxy.make(trouble)

    def heal(self, node: int) -> None:
        self.partition(node, NONE)


@asynccontextmanager
async def separated(directory: Path, *topics: str) -> AsyncIterator[Separated]:
    """Three nodes of our own with `topics`, that find each other as long as no trouble is made."""
    broker = Separable()
    await broker.prepare(directory, lambda step: None)
    running = Running(broker, directory, [ports.any_free() for _ in range(broker.ports_needed)])
    proxies: dict[tuple[int, int], list[FaultProxy]] = {pair: [] for pair in permutations(NODES, 2)}
    async with AsyncExitStack() as stack:
        for of, node in proxies:
            for owner, port in broker.between:
                if owner == node:
                    proxies[of, node].append(await stack.enter_async_context(proxied(port, port, where(of, node))))
        try:
            await running.start(topics)
            yield Separated(running, proxies)
        finally:
            await running.stop()
