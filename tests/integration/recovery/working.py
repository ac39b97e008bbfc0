"""The service that is restored: what it does, and what an operator does with its database."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from deploy.local import restoring
from deploy.local.backups import Manifest, back_up
from deploy.local.restoring import Restored
from deploy.local.settings import StackSettings
from shared.eventstore.needs import Needs
from shared.eventstore.process import Command, Process, Reaction
from shared.eventstore.record import Record, tag_of
from shared.eventstore.store import Store
from shared.eventstore.work import Answer, Work
from shared.recovery.reconcile import Others, Reconciled, reconcile
from shared.runtime.definition import ServiceDefinition
from shared.runtime.parts import Parts
from shared.testing.fault_points import VARIABLE, FaultPoint
from tests.integration.eventstore.account import ACCOUNT, Moved, Opened
from tests.integration.messaging.working import until

SERVICE = "training"
"""Whose role, database and migrations are used; what it does is the small aggregate of the kernel's tests."""


def _greet(record: Record) -> Sequence[Reaction]:
    def handle(work: Work) -> Answer:
        work.append(ACCOUNT, record.stream, [Moved(100)])
        return Answer(204, b"")

    return [Command(needs=Needs(streams=(record.stream,)), handler=handle)]


GREETING = Process(name="greeting", on=frozenset({tag_of(Opened)}), react=_greet)
"""Nothing in the account would keep it from being done twice."""

DEFINITION = ServiceDefinition(
    name=SERVICE,
    title="试验",
    aggregates=(ACCOUNT,),
    routers=(),
    processes=(GREETING,),
    limits_apart=frozenset({"kin"}),
)


class Desk:
    """The service, and what an operator does with its database."""

    def __init__(self, settings: StackSettings, admin: str, backups: Path) -> None:
        self.settings = settings
        self.admin = admin
        self.dsn = settings.databases[SERVICE]
        self.file = backups / "one.tar"

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Store]:
        """The service runs; when the block has ended all is sequenced, reacted to, published and signed."""
        parts = Parts(DEFINITION, self.settings)
        await parts.start()
        parts.run("all")
        try:
            yield parts.store
            await until(lambda: self._at_rest(parts))
        finally:
            await parts.stop()

    async def _at_rest(self, parts: Parts) -> bool:
        now = await parts.progress()
        done: bool = await parts.pool.fetchval(
            "select coalesce((select max(tree_size) from signed_head), 0) = $1"
            " and coalesce((select position from checkpoint where reader = 'heads'), 0) = $1",
            now["head"],
        )
        waiting = now["unsequenced"] + now["reactions"]
        return done and not waiting and set(now["followers"].values()) == {now["head"]}

    async def back_up(self) -> Manifest:
        return await back_up(self.dsn, SERVICE, self.file)

    async def restore(self, service: str = SERVICE) -> Restored:
        return await restoring.restore(self.admin, self.dsn, service, self.file)

    async def reconcile(self, *, aside: bool = True, others: Others | None = None) -> Reconciled | None:
        asides = await restoring.asides(self.dsn) if aside else []

        async def ask(*_: object) -> Others:
            return others or Others([], [])

        return await reconcile(DEFINITION, self.settings, ask, asides)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the live database says."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    async def log(self) -> list[tuple[Any, ...]]:
        """Everything that makes a log what it is."""
        return [
            *await self.rows("select log_id, former, restored_position from log_identity"),
            *await self.rows("select * from log order by position"),
            *await self.rows("select position, peaks from log_head"),
            *await self.rows("select * from log_subtree order by height, number"),
            *await self.rows("select * from event order by stream, version"),
            *await self.rows("select * from stream order by id"),
            *await self.rows("select * from limit_unique where holder is not null order by scope, key"),
            *await self.rows("select * from limit_bounded where (used, bound) <> (0, 0) order by scope, key"),
            *await self.rows("select * from inline_row order by view, key"),
        ]

    async def killed(self, command: str, at: FaultPoint, *arguments: str) -> int:
        """Run a command in a process that kills itself at a point; returns what it ended with."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.recovery.operator"),
            *(self.settings.directory, self.admin, command, *arguments),
            env={**os.environ, VARIABLE: f"{at}:kill"},
        )
        return await process.wait()
