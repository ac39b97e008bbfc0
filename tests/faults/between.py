"""A stack with a proxy between any two of its parts: before PostgreSQL, the broker and every service.

PostgreSQL and the broker are started beside it, since a broker tells its clients the address to come back to.
"""

import asyncio
import dataclasses
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from deploy.local import ports, processes, settings, stack
from deploy.local.brokers.choice import broker_of
from deploy.local.brokers.node import wait_listening
from deploy.local.endpoints import Endpoints
from deploy.local.plan import StackOptions
from deploy.local.postgres import running_postgres
from deploy.local.processes import Program
from tests.faults import warm
from tests.faults.meanwhile import meanwhile
from tests.faults.proxy import HOST, NONE, FaultProxy, Trouble, proxied

POSTGRES, BROKER = "postgres", "broker"
TROUBLES = (
    *(Trouble("delay", seconds) for seconds in (0.02, 0.2)),
    *(Trouble("slow", rate) for rate in (20_000, 200_000)),
    *(Trouble("cut"), Trouble("half-open")),
)
SECONDS = (0.3, 0.5, 1.0, 2.0, 5.0, 9.0)
SHORT = (0.3, 0.5, 1.0)
"""How long a trouble lasts; a lease lasts three, a request to the broker five."""
PAUSE = 0.5
BEFORE_SECONDS = 3.0
"""How long a demo goes on before what it stands on is away."""


Card = TypeVar("Card")
Made = tuple[str, Trouble]
"""A trouble, and the part before which it was made."""


@dataclasses.dataclass(frozen=True)
class TroubledStack:
    """A stack and the proxies in it, by the part that each stands before."""

    directory: Path
    endpoints: Endpoints
    proxies: Mapping[str, FaultProxy]


@asynccontextmanager
async def troubled_stack(directory: Path, base: int, broker: str) -> AsyncIterator[TroubledStack]:
    """An empty stack with warm services, every part of it behind a proxy that makes no trouble yet."""
    async with AsyncExitStack() as opened:
        server = await opened.enter_async_context(running_postgres(directory / "server"))
        before_postgres = await opened.enter_async_context(proxied(server.port))
        before_broker = await opened.enter_async_context(running_broker(directory / "server", broker))
        services = {
            name: await opened.enter_async_context(proxied(port)) for name, port in ports.service_ports(base).items()
        }
        url = urlsplit(server.dsn())
        address = f"{url.netloc.rpartition('@')[0]}@{HOST}:{before_postgres.port}"
        options = StackOptions(
            port_base=base,
            postgres=urlunsplit(url._replace(netloc=address)),
            broker=f"{HOST}:{before_broker.port}",
        )
        arrangement = warm.Arrangement(proxies={name: proxy.port for name, proxy in services.items()})
        try:
            endpoints = await asyncio.to_thread(warm.up, directory, options, arrangement)
            assert settings.read(directory).address("registry")[1] == base, "the proxies stand before another row"
            proxies = {POSTGRES: before_postgres, BROKER: before_broker, **services}
            yield TroubledStack(directory, endpoints, proxies)
        finally:
            await asyncio.to_thread(stack.down, directory)


@asynccontextmanager
async def running_broker(directory: Path, choice: str) -> AsyncIterator[FaultProxy]:
    """An empty broker that sends its clients to the proxy before it."""
    broker = broker_of(choice)
    await broker.prepare(directory, lambda step: None)
    [node] = broker.nodes(directory, [ports.any_free() for _ in range(broker.ports_needed)])
    async with proxied(node.port) as proxy:
        program = advertised(await node.program(), node.port, proxy.port)
        process = await processes.start(program)
        try:
            await wait_listening(node, process, program.log)
            yield proxy
        finally:
            await processes.stop(process, program, patience=broker.patience)


def advertised(program: Program, port: int, instead: int) -> Program:
    """A broker that tells its clients to come to another port than its own."""
    own, other = f"{HOST}:{port}", f"{HOST}:{instead}"
    settings = None if program.cwd is None else program.cwd / "server.properties"
    if settings is not None and settings.exists():
        told = "advertised.listeners=CLIENT://"
        settings.write_text(settings.read_text().replace(told + own, told + other))
        return program
    argv = list(program.argv)
    argv[argv.index("--advertised-listener-url") + 1] = f"tcp://{other}"
    return dataclasses.replace(program, argv=tuple(argv))


@asynccontextmanager
async def in_trouble(
    proxies: Mapping[str, FaultProxy], seed: str, lasting: Sequence[float]
) -> AsyncIterator[Counter[Made]]:
    """Trouble between one pair of parts after the other while the block runs; yields what was made, and where."""
    chance = random.Random(seed)

    async def trouble(made: Counter[Made]) -> None:
        parts, kinds = dealt(sorted(proxies), chance), dealt(TROUBLES, chance)
        while True:
            part, kind = next(parts), next(kinds)
            proxies[part].make(kind)
            made[part, kind] += 1
            await asyncio.sleep(chance.choice(lasting))
            proxies[part].make(NONE)
            await asyncio.sleep(chance.uniform(0, PAUSE))

    try:
        async with meanwhile(trouble) as made:
            yield made
    finally:
        for proxy in proxies.values():
            proxy.make(NONE)


def dealt(cards: Sequence[Card], chance: random.Random) -> Iterator[Card]:
    """Without end: all of them by chance before any comes again."""
    while True:
        yield from chance.sample(cards, len(cards))


async def away(proxy: FaultProxy, troubles: Sequence[Trouble], seconds: float, demo: asyncio.Task[Any]) -> Counter[str]:
    """One trouble after the other, each while the demo still runs; returns what was made."""
    made: Counter[str] = Counter()
    for trouble in troubles:
        await asyncio.sleep(BEFORE_SECONDS)
        assert not demo.done(), f"the demo was over before the trouble {trouble}: {demo}"
        proxy.make(trouble)
        made[str(trouble)] += 1
        await asyncio.sleep(seconds)
        proxy.make(NONE)
    return made
