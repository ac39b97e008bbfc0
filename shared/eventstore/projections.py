"""Builds of projections: a new one is made beside the live one, and takes its place when it has caught up.

`listing`, and what read models of its own a service has, are asynchronous: a build is followed from position 0 while
the live one goes on. `limits` and `rows` are written by `append` itself: they are made again from the events and the
live tables mended (`derived.py`).
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg
import structlog

from shared.eventstore.derived import Derived
from shared.eventstore.follower import Apply, Follower
from shared.eventstore.lease import Lease
from shared.eventstore.reader import LogReader

LISTING = "listing"
LIMITS = "limits"
ROWS = "rows"
INLINE = (LIMITS, ROWS)

LOOK_SECONDS = 0.5
RETIRED_ROWS = 5000

log = structlog.get_logger(__name__)


class Projection(NamedTuple):
    """A read model that follows the log.

    `apply(build)` writes the rows of a build; `version` is that of the code behind it, raised with any change of what
    it writes. `forget` names the SQL function that takes away at most so many rows of retired builds.
    """

    name: str
    version: int
    apply: Callable[[int], Apply]
    forget: str


class Build(NamedTuple):
    """One build: `position` is how far it has come, `mended` how many rows of `limits` or `rows` were not right."""

    name: str
    build: int
    version: int
    state: str
    requested_at: datetime
    switched_at: datetime | None
    mended: int | None
    position: int


def follower_of(name: str, build: int | None = None) -> str:
    """The name of the follower that makes a build; without `build` what all of them begin with."""
    return f"projection:{name}:{'' if build is None else build}"


async def request_build(pool: asyncpg.Pool, name: str, version: int) -> int:
    """Have a projection built anew; returns the number of the build, which may be one that is already on its way."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(hashtext('projection_build'))")
        going: int | None = await connection.fetchval(
            "select build from projection_build where name = $1 and state = 'building' and version = $2", name, version
        )
        if going is not None:
            return going
        await connection.execute(
            "update projection_build set state = 'retired' where name = $1 and state = 'building'", name
        )
        made: int = await connection.fetchval(
            "insert into projection_build (name, build, version, state)"
            " select $1, coalesce(max(build), 0) + 1, $2, 'building' from projection_build where name = $1"
            " returning build",
            *(name, version),
        )
        return made


async def builds(pool: asyncpg.Pool) -> list[Build]:
    """All builds that are not retired and the newest retired one of each projection, oldest first."""
    rows = await pool.fetch(
        "select b.name, b.build, b.version, b.state, b.requested_at, b.switched_at, b.mended,"
        " coalesce(c.position, 0) as position"
        " from projection_build b left join checkpoint c on c.reader = 'projection:' || b.name || ':' || b.build"
        " where b.state <> 'retired' or b.build = (select max(r.build) from projection_build r"
        " where r.name = b.name and r.state = 'retired') order by b.name, b.build"
    )
    return [Build(*row) for row in rows]


class Builder:
    """Follows the builds that this code can write, and makes the switches. Runs in every worker."""

    def __init__(
        self, pool: asyncpg.Pool, reader: LogReader, projections: Sequence[Projection], derived: Derived
    ) -> None:
        self._pool = pool
        self._reader = reader
        self._projections = {projection.name: projection for projection in projections}
        self._derived = derived
        self._lease = Lease(pool, "builder")
        self._following: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._mending: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Build until cancelled."""
        async with self._lease:
            try:
                await self._lease.repeat(self._turn)
            finally:
                await self._stop(list(self._following))
                if self._mending is not None:
                    self._mending.cancel()
                    await asyncio.gather(self._mending, return_exceptions=True)

    async def _turn(self) -> None:
        await self._step()
        await asyncio.sleep(LOOK_SECONDS)

    async def _step(self) -> None:
        found = [build for build in await builds(self._pool) if build.state != "retired"]
        if self._mending is not None and self._mending.done():
            mending, self._mending = self._mending, None
            await mending
        await self._follow([build for build in found if self._writes(build)])
        if await self._lease.held() is None:
            return
        for build in found:
            known = self._projections.get(build.name)
            if build.state == "building" and self._writes(build):
                await self._switch(build)
            elif build.state == "building" and build.name in INLINE and self._mending is None:
                self._mending = asyncio.create_task(self._mend(build))
            elif build.state == "live" and known is not None and build.version < known.version:
                await request_build(self._pool, build.name, known.version)
        for projection in self._projections.values():
            await self._pool.execute(f"select {projection.forget}($1)", RETIRED_ROWS)

    def _writes(self, build: Build) -> bool:
        """Whether this code is the one that can write a build."""
        known = self._projections.get(build.name)
        return known is not None and known.version == build.version

    async def _follow(self, wanted: Sequence[Build]) -> None:
        """Have a follower for each of these builds and for no other."""
        numbers = {(build.name, build.build) for build in wanted}
        for name, number in numbers - self._following.keys():
            reader = follower_of(name, number)
            follower = Follower(self._pool, self._reader, reader, self._projections[name].apply(number))
            self._following[name, number] = asyncio.create_task(follower.run(), name=reader)
        await self._stop(self._following.keys() - numbers)
        for task in self._following.values():
            if task.done():
                task.result()

    async def _stop(self, numbers: Iterable[tuple[str, int]]) -> None:
        tasks = [self._following.pop(number) for number in numbers]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _switch(self, build: Build) -> None:
        """Make a build the live one, if it shows at least what the live one shows."""
        async with self._pool.acquire() as connection, connection.transaction():
            # The lock keeps the live build where it is, so that nothing goes back behind what it has shown.
            shown: int | None = await connection.fetchval(
                "select c.position from projection_build b join checkpoint c on c.reader = $1 || b.build"
                " where b.name = $2 and b.state = 'live' for update of c",
                *(follower_of(build.name), build.name),
            )
            reached: int | None = await connection.fetchval(
                "select position from checkpoint where reader = $1", follower_of(build.name, build.build)
            )
            if reached is None or reached < (shown or 0) or not await _make_live(connection, build):
                return
        log.info("projection_switched", projection=build.name, build=build.build, position=reached)

    async def _mend(self, build: Build) -> None:
        mended = await (self._derived.mend_limits() if build.name == LIMITS else self._derived.mend_rows())
        async with self._pool.acquire() as connection, connection.transaction():
            await _make_live(connection, build, mended)
        log.info("projection_mended", projection=build.name, build=build.build, mended=mended)


async def _make_live(connection: asyncpg.Connection, build: Build, mended: int | None = None) -> bool:
    """Let a build take the place of the live one; False when it is no longer building: another worker was first."""
    building = await connection.fetchval(
        "select true from projection_build where name = $1 and build = $2 and state = 'building' for update",
        *(build.name, build.build),
    )
    if not building:
        return False
    await connection.execute(
        "update projection_build set state = 'retired' where name = $1 and state = 'live'", build.name
    )
    await connection.execute(
        "update projection_build set state = 'live', switched_at = clock_timestamp(), mended = $3"
        " where name = $1 and build = $2",
        *(build.name, build.build, mended),
    )
    return True
