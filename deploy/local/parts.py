"""One supervised part: started, watched until ready, started again whenever it ends."""

import asyncio
import logging
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from deploy.local import processes
from deploy.local.failures import StackFailed
from deploy.local.processes import Program
from deploy.local.state import PartState

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
STEADY_AFTER = 3.0  # seconds; a part that ran this long starts over with the shortest pause
TRIES = 4  # ends before it was ever ready: then its first start has failed

log = logging.getLogger("supervisor")


class Part:
    """`program` is asked anew at every start; `until_ready` returns once the part serves, or raises StackFailed."""

    def __init__(
        self,
        state: PartState,
        program: Callable[[], Awaitable[Program]],
        until_ready: Callable[[Process], Awaitable[None]],
        changed: Callable[[], None],
        *,
        patience: float = 20.0,
    ) -> None:
        self.state = state
        self._make_program = program
        self._until_ready = until_ready
        self._changed = changed
        self._patience = patience
        self._ready_once: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running: tuple[Process, Program] | None = None
        self.life: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when the part is ready for the first time. Raises StackFailed; from then on it is kept running."""
        self.life = asyncio.create_task(self._keep_running(), name=self.state.name)
        await asyncio.wait({self.life, self._ready_once}, return_when=asyncio.FIRST_COMPLETED)
        if self.life.done():
            await self.life

    async def stop(self) -> None:
        """End the part and keep it ended."""
        if self.life is not None:
            self.life.cancel()
            await asyncio.wait({self.life})
        if self._running is not None:
            await processes.stop(*self._running, patience=self._patience)
            self._ended()

    async def _keep_running(self) -> None:
        loop = asyncio.get_running_loop()
        pause, ends = FIRST_PAUSE, 0
        while True:
            began = loop.time()
            try:
                reason = await self._run_once()
            except (StackFailed, OSError) as failure:  # such as a disk without room for its log
                reason = str(failure)
            ends += 1
            if not self._ready_once.done() and ends >= TRIES:
                raise StackFailed(f"{self.state.name} does not start ({self.state.log}): {reason}")
            if loop.time() - began >= STEADY_AFTER:
                pause = FIRST_PAUSE
            log.warning("%s: %s; started again in %.1f s", self.state.name, reason, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            self.state.restarts += 1

    async def _run_once(self) -> str:
        """One life of the part; returns (or raises StackFailed) when the process is gone, saying why."""
        program = await self._make_program()
        process = await processes.start(program)
        self._running = process, program
        try:
            self.state.pid, self.state.born = process.pid, processes.born(process.pid)
            self.state.started_at = datetime.now(UTC)
            self._changed()
            await self._until_ready(process)
        except (StackFailed, OSError):
            await processes.stop(process, program, self._patience)
            self._ended()
            raise
        self.state.ready = True
        self._changed()
        if not self._ready_once.done():
            self._ready_once.set_result(None)
        code = await process.wait()
        self._ended()
        return f"ended with {code}"

    def _ended(self) -> None:
        if self._running is not None:
            self.state.last_exit = self._running[0].returncode
        self._running = None
        self.state.pid = self.state.born = None
        self.state.ready = False
        self._changed()
