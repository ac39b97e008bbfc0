"""Long work: what takes longer than a request may is accepted, carried out by one worker, and looked at meanwhile.

An operation that a worker dies in is begun again by the next one, so its work has to be such that what was done
is not done twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
import msgspec
import structlog

from shared.eventstore.decider import Rejection
from shared.eventstore.interruptions import INTERRUPTIONS, passes
from shared.eventstore.lease import STANDBY_SECONDS, Lease
from shared.eventstore.needs import IdempotencyKey
from shared.eventstore.store import KeyReused
from shared.telemetry.errors import describe
from shared.testing.fault_points import FaultPoint, reached
from shared.values.ids import new_id, uuid7

LOOK_SECONDS = 0.5

log = structlog.get_logger(__name__)


class Operation(NamedTuple):
    """An operation as it stands; times are the wall clock's, UTC. `total` is None while it is not known."""

    id: str
    kind: str
    status: str
    client: str
    done: int
    total: int | None
    result: bytes | None
    problem: bytes | None
    requested_at: datetime
    finished_at: datetime | None


class Accepted(NamedTuple):
    """An operation that was accepted, and whether it had been before, under the same key."""

    operation: Operation
    repeated: bool


COLUMNS = ", ".join(Operation._fields)


class Progress:
    """What the work of one operation, by its id, tells of itself; written at most twice a second."""

    def __init__(self, pool: asyncpg.Pool, id: str) -> None:
        self._pool = pool
        self.operation = id
        self._written_at = 0.0

    async def tell(self, done: int, total: int | None = None) -> None:
        reached(FaultPoint.WORK_TOLD)
        now = asyncio.get_running_loop().time()
        if now - self._written_at >= LOOK_SECONDS:
            self._written_at = now
            await self._pool.execute(
                "update operation set done = $2, total = $3 where id = $1", self.operation, done, total
            )


LongWork = Callable[[bytes, Progress], Awaitable[Any | Rejection]]
"""From an operation's input (JSON) to its result, which becomes JSON."""


class Operations:
    """A service's operations. `kinds` names the work of each kind; it is filled before any is accepted."""

    def __init__(self, pool: asyncpg.Pool, kinds: Mapping[str, LongWork] | None = None) -> None:
        self._pool = pool
        self.kinds = dict(kinds or {})
        self._lease = Lease(pool, "operations")
        self._accepted = asyncio.Event()

    async def accept(self, kind: str, client: str, input: object, key: IdempotencyKey | None = None) -> Accepted:
        """A new operation, or the one that was accepted under this key before. Raises `KeyReused`."""
        if kind not in self.kinds:
            raise KeyError(kind)
        row = None
        while row is None:  # a twin was in the act of inserting: it is seen by the next statement, not by this one
            row = await self._insert_or_find(kind, client, input, key)
        if key is not None and row["fingerprint"] != key.fingerprint:
            raise KeyReused
        self._accepted.set()
        return Accepted(Operation(*row[: len(Operation._fields)]), repeated=not row["fresh"])

    async def _insert_or_find(
        self, kind: str, client: str, input: object, key: IdempotencyKey | None
    ) -> asyncpg.Record | None:
        return await self._pool.fetchrow(
            "with made as ("
            " insert into operation (id, kind, client, idempotency_key, fingerprint, input)"
            " values ($1, $2, $3, $4, $5, $6) on conflict (client, idempotency_key) do nothing"
            f" returning {COLUMNS}, fingerprint)"
            f" select {COLUMNS}, fingerprint, true as fresh from made union all"
            f" select {COLUMNS}, fingerprint, false from operation where client = $3 and idempotency_key = $4",
            *(new_id("opn", uuid7()), kind, client if key is None else key.client),
            *((None, None) if key is None else (key.key, key.fingerprint)),
            msgspec.json.encode(input),
        )

    async def find(self, id: str) -> Operation | None:
        row = await self._pool.fetchrow(f"select {COLUMNS} from operation where id = $1", id)
        return None if row is None else Operation(*row)

    async def run(self) -> None:
        """Carry out what was accepted, oldest first, until cancelled."""
        async with self._lease:
            await self._lease.repeat(self._turn, INTERRUPTIONS)

    async def _turn(self) -> None:
        if await self._lease.held() is None:
            await asyncio.sleep(STANDBY_SECONDS)
        elif not await self.step():
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._accepted.wait()
            except TimeoutError:
                pass
            self._accepted.clear()

    async def step(self) -> bool:
        """Carry out the oldest operation that is not finished; False when there is none.

        One of a kind that this code does not know was accepted by newer code, which carries it out.
        """
        row = await self._pool.fetchrow(
            "update operation set status = 'running' where id = (select id from operation"
            " where status in ('accepted', 'running') and kind = any ($1) order by requested_at limit 1)"
            " returning id, kind, input",
            list(self.kinds),
        )
        if row is None:
            return False
        work = asyncio.ensure_future(self._carry_out(row["id"], row["kind"], row["input"]))
        try:
            while not work.done():
                await asyncio.wait([work], timeout=1.0)
                if not work.done() and await self._lease.held() is None:
                    log.warning("operation_left_to_another", operation=row["id"])
                    return True
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        work.result()
        return True

    async def _carry_out(self, id: str, kind: str, input: bytes) -> None:
        try:
            outcome = await self.kinds[kind](input, Progress(self._pool, id))
        except Exception as error:
            if passes(error):
                raise
            log.exception("operation_failed", operation=id, kind=kind, error=describe(error))
            outcome = Rejection(code="internal_error", detail="服务内部错误，已记录", status=500)
        reached(FaultPoint.WORK_DONE)
        failed = isinstance(outcome, Rejection)
        await self._pool.execute(
            "update operation set status = $2, result = $3, problem = $4, finished_at = clock_timestamp(),"
            " done = coalesce(total, done) where id = $1 and status = 'running'",
            *(id, "failed" if failed else "succeeded"),
            None if failed else msgspec.json.encode(outcome),
            msgspec.json.encode(outcome) if failed else None,
        )
