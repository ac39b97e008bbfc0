"""Services of a running stack under fire: each is made to do something to itself, over and over, while the stack works.

What a service is to do next is left in a file, which it takes at its start, or when SIGUSR1 says so; it notes in a
journal what has fired. A round is one line of a journal. See `shared/testing/fault_points.py`.
"""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from deploy.local import processes, state
from deploy.local.state import PartState
from shared.testing.fault_points import DIRECTORY, FIRED, FaultPoint, read
from tests.faults.schedule import Action, Fault, faults_of, is_seldom, points_of, words
from tests.faults.warm import LEASE, SECOND, second

LOOK_SECONDS = 0.1
IDLE_SECONDS = 1.0
"""A service that did not get to the rarest points by then has no such work now: it is fired at wherever it gets."""
PATIENCE = 30.0
DISARM_SECONDS = 120.0
"""How long a service may take to be up again and look; its supervisor gives it as much."""
FROZEN_SECONDS = 3 * LEASE.total_seconds()
"""Longer than a lease lasts."""


class Journal:
    """What has fired in one service, as it notes it itself."""

    def __init__(self, directory: Path, service: str) -> None:
        self._path = (directory / DIRECTORY / service).with_suffix(FIRED)
        self._service = service

    def read(self) -> list[Fault]:
        """Every fault that has fired, oldest first; its count is not noted, but the process it fired in."""
        try:
            lines = self._path.read_text().splitlines()
        except FileNotFoundError:
            return []
        return [Fault(self._service, *words) for line in lines for words in read(line)]


class Target:
    """One service of a stack, or the second worker of one."""

    def __init__(self, directory: Path, service: str, *, is_second: bool = False) -> None:
        own = directory / SECOND if is_second else directory
        self._directory = directory
        self._file = own / DIRECTORY / service
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._part = second(service) if is_second else service
        self.service = service
        self.journal = Journal(own, service)

    def running(self) -> PartState | None:
        """The service's process, if it is up and ready."""
        stack = state.running(self._directory)
        part = stack.parts.get(self._part) if stack is not None else None
        return part if part is not None and part.ready and part.pid is not None else None

    def leave(self, words: str) -> None:
        """Leave what is to be armed in place of what is: at the next start, or when told to look."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(words)
        fresh.replace(self._file)

    def taken(self) -> bool:
        return not self._file.exists()

    def send(self, number: signal.Signals) -> bool:
        """Send a signal to the process that is ready now, if any; whether there was one."""
        part = self.running()
        if part is not None and part.pid is not None and part.born is not None:
            with suppress(ProcessLookupError):
                if processes.is_running(part.pid, part.born):
                    os.kill(part.pid, number)
                    return True
        return False

    async def disarm(self) -> None:
        """Return when nothing is armed in the process that is ready. Raises TimeoutError when nobody looks."""
        self.leave("")
        deadline = asyncio.get_running_loop().time() + DISARM_SECONDS
        while not self.taken():
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"{self._part} has not looked at {self._file} for {DISARM_SECONDS:.0f} s")
            self.send(signal.SIGCONT)  # it may have come to its point just now
            self.send(signal.SIGUSR1)
            await asyncio.sleep(LOOK_SECONDS)


class Fire:
    """One service under fire: at each of some points, at most `each` times."""

    def __init__(
        self, target: Target, points: Sequence[FaultPoint], action: Action, chance: random.Random, each: int
    ) -> None:
        self._target = target
        self._points = points
        self._action = action
        self._chance = chance
        self._each = each
        self._before = self._counts()

    async def keep(self) -> None:
        """Arm the next faults as soon as one has fired, until every point has had its share."""
        while points := self._rarest():
            quarter = points[: (len(points) + 3) // 4]
            if not await self._fires(quarter, IDLE_SECONDS):
                await self._fires(points, PATIENCE)

    def _counts(self) -> Counter[FaultPoint]:
        return Counter(fault.point for fault in self._target.journal.read())

    def _rarest(self) -> list[FaultPoint]:
        """The points that have not had their share, first those at which the fewest faults have fired in this demo.

        Of these, first those at which the fewest have fired since the stack is up, and that are got to seldom.
        """
        counts = self._counts()
        fired = counts - self._before
        shuffled = self._chance.sample(self._points, len(self._points))
        waiting = [point for point in shuffled if fired[point] < self._each]
        return sorted(waiting, key=lambda point: (fired[point], counts[point], not is_seldom(point)))

    async def _fires(self, points: Sequence[FaultPoint], seconds: float) -> bool:
        """Arm a fault at each of these points; whether one fired before the service had been up for so long."""
        loop = asyncio.get_running_loop()
        before = len(self._target.journal.read())
        self._target.leave(words(faults_of(self._target.service, points, self._action, self._chance)))
        armed_at: float | None = None
        while len(self._target.journal.read()) == before:
            if not self._target.taken():
                self._target.send(signal.SIGUSR1)
            elif armed_at is None:
                armed_at = loop.time()
            elif loop.time() > armed_at + seconds:
                return False
            await asyncio.sleep(LOOK_SECONDS)
        if self._action == "stop":
            await asyncio.sleep(FROZEN_SECONDS)
            self._target.send(signal.SIGCONT)
        return True


@asynccontextmanager
async def under_fire(targets: Sequence[Target], seed: str, action: Action, each: int) -> AsyncIterator[None]:
    """Keep every one of `targets` under fire while the block runs, at most `each` times at each point that it gets to.

    Afterwards nothing is armed any more; where that cannot be, and the block has failed, it is noted of its failure.
    """
    print(f"seed {seed}")  # shown where the test fails
    fires = [
        Fire(target, points_of(target.service), action, random.Random(f"{seed}/{target.service}"), each)
        for target in targets
    ]
    keeping = [asyncio.create_task(fire.keep()) for fire in fires]
    try:
        yield
        for task in keeping:
            if task.done():
                task.result()
    except BaseException as first:
        for failure in await _ceased(keeping, targets):
            first.add_note(str(failure))
        raise
    if failures := await _ceased(keeping, targets):
        raise ExceptionGroup("what was armed cannot be disarmed", failures)


async def _ceased(keeping: Sequence[asyncio.Task[None]], targets: Sequence[Target]) -> list[Exception]:
    """Cease fire; returns why something is armed still."""
    for task in keeping:
        task.cancel()
    await asyncio.gather(*keeping, return_exceptions=True)
    disarmed = await asyncio.gather(*(target.disarm() for target in targets), return_exceptions=True)
    for target in targets:
        target.send(signal.SIGCONT)
    return [failure for failure in disarmed if isinstance(failure, Exception)]
