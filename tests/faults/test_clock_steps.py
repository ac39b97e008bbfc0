"""Clocks that are set while all runs: that of the database's machine alone, and that of everything together."""

import asyncio
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec
import pytest

from deploy.local import ports, stack, state
from deploy.local.client import Client
from deploy.local.demo.run import Figures, runs_of
from deploy.local.endpoints import Endpoints
from deploy.local.plan import StackOptions
from deploy.local.settings import SERVICES
from shared.eventstore.interruptions import AskLater
from shared.eventstore.lease import Lease
from shared.eventstore.process import Ask, Command, Process, Reaction, Reactor
from shared.eventstore.record import Record
from shared.eventstore.store import Store
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from tests.e2e.stories import broken, predicted
from tests.faults.conftest import BASE
from tests.faults.machine_clock import MachineClock, library
from tests.faults.meanwhile import meanwhile
from tests.faults.report import Result, keep
from tests.integration.eventstore.account import ACCOUNT
from tests.integration.eventstore.commands import open_account
from tests.integration.eventstore.test_reactions import queued

FOUNDERS = 12
STEPS = (-86_400, -3_600, -300, -30, 30, 300, 3_600)
"""Seconds before and after the true time to which the clock is set."""
PAUSE = 3.0


async def test_a_lease_does_not_outlast_a_clock_that_goes_back(pool: asyncpg.Pool) -> None:
    killed, next_one = Lease(pool, "work"), Lease(pool, "work")
    first = await killed.held()
    assert first is not None
    assert await next_one.held() is None
    await pool.execute("update lease set expires_at = expires_at + interval '1 hour'")
    assert await next_one.held() == first + 1
    keep(Result("clock of the database back by 1 h", "leases", 1, "the next one takes over at once", ""))


async def test_what_was_to_be_asked_again_soon_is_asked_soon_after_the_clock_went_back(
    pool: asyncpg.Pool, keys: Path
) -> None:
    store = Store(pool, [ACCOUNT], Keyring(FileMasterKey(keys)))
    await open_account(store, "name", "owner")
    asked: list[str] = []

    def react(record: Record) -> Sequence[Reaction]:
        async def ask(_: object) -> Command | None:
            asked.append(record.stream)
            raise AskLater

        return [Ask(ask=ask)]

    process = Process(name="asking", on=frozenset({"test.Opened.v1"}), react=react)
    reactions = await queued(store, Reactor(store, [process]))
    await reactions.react()
    await reactions.react()
    assert len(asked) == 1
    await pool.execute("update reaction set not_before = not_before + interval '1 hour'")
    await reactions.react()
    assert len(asked) == 2
    keep(Result("clock of the database back by 1 h", "questions to be asked again", 1, "asked again at once", ""))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[MachineClock, Path, Endpoints]]:
    """A stack on a machine whose clock can be set; so is every program that the test starts."""
    tmp_path.chmod(0o755)  # PostgreSQL reads the clock too, and is not root
    clock = MachineClock(tmp_path / "clock")
    for name, value in clock.environment.items():
        monkeypatch.setenv(name, value)
    directory = tmp_path / "stack"
    try:
        yield clock, directory, stack.up(directory, StackOptions(port_base=ports.find_base(BASE)))
    finally:
        stack.down(directory)


@asynccontextmanager
async def set_again_and_again(clock: MachineClock, seed: str) -> AsyncIterator[Counter[str]]:
    """Yields what it has been set to. Right again afterwards."""
    chance = random.Random(seed)

    async def go_on(steps: Counter[str]) -> None:
        while True:
            await asyncio.sleep(PAUSE)
            seconds = chance.choice(STEPS)
            clock.step_to(seconds)
            steps[f"{seconds:+d}"] += 1

    try:
        async with meanwhile(go_on) as steps:
            yield steps
    finally:
        clock.step_to(0)


def without_the_clock(directory: Path) -> list[str]:
    """The services, and the database, whose processes read another clock than the one that is set."""
    running = state.running(directory)
    assert running is not None
    return [
        name
        for name in (*SERVICES, "postgres")
        if library().name not in Path(f"/proc/{running.parts[name].pid}/maps").read_text()
    ]


async def demo(directory: Path) -> Figures:
    """`huchuang demo`, as a program of that machine."""
    command = (sys.executable, "-m", "deploy.local.cli", "demo", "--data", str(directory))
    program = await asyncio.create_subprocess_exec(
        *command, "--founders", str(FOUNDERS), "--json", stdout=asyncio.subprocess.PIPE, env=os.environ
    )
    said, _ = await program.communicate()
    assert program.returncode == 0, said.decode()
    return msgspec.json.decode(said.splitlines()[-1], type=Figures)


@pytest.mark.stack
@pytest.mark.full
async def test_steps_of_the_machine_s_clock_change_no_figure(
    machine: tuple[MachineClock, Path, Endpoints], seed: str
) -> None:
    clock, directory, endpoints = machine
    assert without_the_clock(directory) == []
    async with set_again_and_again(clock, seed) as steps:
        figures = await demo(directory)
    assert figures == predicted(runs_of(directory)[-1].city())
    async with Client(endpoints, "clock") as client:
        assert await broken(client, directory) == []
    assert without_the_clock(directory) == []
    assert steps.total() > 0
    keep(Result("clock of the machine set", "by seconds to a day, both ways", steps.total(), "all holds", seed))
