"""A log that came out of a backup becomes itself again: its tail is brought back, and then its id.

Every step may be interrupted, and beginning again finishes: the tail is one transaction, what follows from the events
is made again as often as one likes, and the id comes last. Until then the service answers nothing.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from shared.eventstore.derived import Derived
from shared.eventstore.interruptions import DATABASE
from shared.eventstore.reader import LogReader
from shared.eventstore.record import EventTypes
from shared.proof.heads import SignedHead, Signer, verify_head
from shared.proof.tree import LogTree
from shared.recovery.identity import read_identity
from shared.recovery.kept_aside import TakenOver, contradicts, read_aside, take_over
from shared.recovery.mark import mark_of, read_mark, set_mark
from shared.recovery.put_back import check_streams, note_processes, put_back
from shared.recovery.tail import CannotReconcile, Placed, Witness, assemble, check_roots, subjects_of
from shared.recovery.topics import read_topics
from shared.runtime.definition import ServiceDefinition
from shared.runtime.parts import open_pool
from shared.runtime.settings import Settings
from shared.telemetry.errors import describe
from shared.testing.fault_points import FaultPoint, reached
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey

ONE_AT_A_TIME = 7236402


class Others(NamedTuple):
    """What the other services of a deployment know of a log; `clock` is the furthest of their business clocks."""

    witnesses: Sequence[Witness]
    heads: Sequence[SignedHead]
    clock: datetime | None = None


AskOthers = Callable[[UUID, int], Awaitable[Others]]
"""Asks them about a log, by the id they know it under, behind a position."""


class Reconciled(msgspec.Struct, frozen=True, kw_only=True):
    """What was done. `position` is how long the log is now, `brought_back` how many of its events had been lost."""

    log_id: UUID
    position: int
    brought_back: int
    heads: int
    """Signed heads that the log was held against."""
    aside: bool
    """Whether a database put aside was of use."""
    taken: TakenOver
    processes: int
    """Commands of processes that are known to be done again."""
    mended: int
    """Limits and inline rows that were not what the events say."""
    unreadable: int
    """Subjects whose keys are lost: how many people's data, taken in after the backup, nobody can open any more."""
    notes: tuple[str, ...] = ()


class _Aside(NamedTuple):
    pool: asyncpg.Pool
    witness: Witness


async def reconcile(
    definition: ServiceDefinition, settings: Settings, ask_others: AskOthers, asides: Sequence[str]
) -> Reconciled | None:
    """Reconcile a service's log; None when it is itself already. `asides` are the DSNs of databases put aside.

    Raises `CannotReconcile`: nothing has changed then.
    """
    async with AsyncExitStack() as opened:
        pool = await open_pool(settings.databases[definition.name])
        opened.push_async_callback(pool.close)
        await opened.enter_async_context(_alone(pool))
        former = (await read_identity(pool)).former
        if former is None:
            return None
        return await _Reconciliation(definition, settings, pool, former, opened).run(ask_others, asides)


@asynccontextmanager
async def _alone(pool: asyncpg.Pool) -> AsyncIterator[None]:
    async with pool.acquire() as connection:
        if not await connection.fetchval("select pg_try_advisory_lock($1)", ONE_AT_A_TIME):
            raise CannotReconcile(["another reconcile of this service is running"])
        try:
            yield
        finally:
            await connection.execute("select pg_advisory_unlock($1)", ONE_AT_A_TIME)


class _Reconciliation:
    def __init__(
        self,
        definition: ServiceDefinition,
        settings: Settings,
        pool: asyncpg.Pool,
        log_id: UUID,
        opened: AsyncExitStack,
    ) -> None:
        signing, master = (settings.secret(definition.name, name) for name in ("log-signing.pem", "master.key"))
        if not signing.exists():
            raise CannotReconcile([f"the secrets of {definition.name} are not in {signing.parent}: bring them back"])
        self._definition = definition
        self._settings = settings
        self._pool = pool
        self._log_id = log_id
        self._opened = opened
        self._signer = Signer.from_file(signing, definition.name)
        self._keyring = Keyring(FileMasterKey(master))
        self._notes: list[str] = []

    async def run(self, ask_others: AskOthers, asides: Sequence[str]) -> Reconciled:
        after: int = await self._pool.fetchval("select position from log_head")
        others = await ask_others(self._log_id, after)
        carried = await read_topics(self._settings.kafka, self._definition.name, self._log_id, after)
        kafka = Witness("Kafka", carried.records, max(carried.records, default=0))
        outside = [kafka, *others.witnesses]
        began: int = await self._pool.fetchval("select restored_position from log_identity")
        aside = await self._aside(asides, began, after, outside)
        witnesses = outside if aside is None else [*outside, aside.witness]
        heads = self._own([*carried.heads, *others.heads])
        placed = assemble(self._log_id, after, witnesses, [signed.head for signed in heads])
        await self._check(after, placed, heads)
        taken, processes = await self._write(placed, heads, aside, others.clock)
        reached(FaultPoint.RECONCILE_WRITTEN)
        mended = await self._mend()
        reached(FaultPoint.RECONCILE_MENDED)
        unreadable = await self._unreadable(began)
        self._note_unseen(after + len(placed))
        await self._pool.execute("select reinstate_log()")
        return Reconciled(
            log_id=self._log_id,
            position=after + len(placed),
            brought_back=after + len(placed) - began,
            heads=len(heads),
            aside=aside is not None,
            taken=taken,
            processes=processes,
            mended=mended,
            unreadable=unreadable,
            notes=tuple(self._notes),
        )

    def _note_unseen(self, position: int) -> None:
        """The service's own mark may be further on than anybody else has heard: that much is said to be lost."""
        path = mark_of(self._settings, self._definition.name)
        known = read_mark(path, self._log_id)
        if known > position:
            unseen = known - position
            self._notes.append(f"{unseen} events behind position {position} had reached nobody: they are lost for good")
        set_mark(path, self._log_id, position)

    def _own(self, heads: Sequence[SignedHead]) -> list[SignedHead]:
        """Those that this service has signed for this log; a stranger's say nothing."""
        mine = (self._definition.name, str(self._log_id))
        return [
            signed
            for signed in heads
            if (signed.head.service, signed.head.log_id) == mine and verify_head(signed, self._signer.public_bytes)
        ]

    async def _aside(self, asides: Sequence[str], began: int, after: int, outside: Sequence[Witness]) -> _Aside | None:
        """The first database put aside that holds this log, and says nothing other than what others hold.

        One that ends before the backup does, at `began`, was put aside earlier: its keys and answers are older.
        Raises `CannotReconcile` when one cannot be read: what it holds would be lost for good.
        """
        for dsn in asides:
            name = dsn.rpartition("/")[2]
            try:
                pool = await open_pool(dsn, minimum=1, maximum=2)
                self._opened.push_async_callback(pool.close)
                witness = await read_aside(pool, self._log_id, after)
            except DATABASE as error:
                raise CannotReconcile([f"{name} cannot be read ({describe(error)}): mend that, or drop it"]) from error
            if witness is None:
                continue
            if witness.reaches < began:
                self._notes.append(f"{name} is older than the backup: nothing is taken of it")
                continue
            if (position := contradicts(witness, outside)) is not None:
                self._notes.append(f"{name} says other than Kafka or audit at {position}: nothing is taken of it")
                continue
            return _Aside(pool, witness)
        return None

    async def _check(self, after: int, placed: Sequence[Placed], heads: Sequence[SignedHead]) -> None:
        """The log leads to the root of every signed head. Raises `CannotReconcile`."""
        earlier = [signed.head for signed in heads if signed.head.tree_size <= after]
        if earlier:
            largest = max(head.tree_size for head in earlier)
            reached_root = (await LogTree(self._pool).root(largest)).hex()
            if any(head.root != reached_root for head in earlier if head.tree_size == largest):
                raise CannotReconcile([f"the backup itself does not lead to the signed head of {largest} events"])
        peaks = await self._pool.fetchval("select peaks from log_head")
        check_roots(after, peaks, placed, [signed.head for signed in heads])

    async def _write(
        self, placed: Sequence[Placed], heads: Sequence[SignedHead], aside: _Aside | None, clock: datetime | None
    ) -> tuple[TakenOver, int]:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("set local idle_in_transaction_session_timeout = 0")
            await check_streams(connection, placed)
            await put_back(connection, placed)
            taken = TakenOver()
            if aside is not None:
                definition = self._definition
                taken = await take_over(aside.pool, connection, definition.tables_apart, definition.limits_apart)
            processes = await note_processes(connection, placed, self._keyring)
            await connection.executemany(
                "insert into signed_head (tree_size, root, signed_at, head) values ($1, $2, $3, $4)"
                " on conflict do nothing",
                [
                    (of.head.tree_size, bytes.fromhex(of.head.root), of.head.signed_at, msgspec.json.encode(of))
                    for of in heads
                ],
            )
            # The sandbox's clock never goes back: behind no event, and behind nobody else's.
            moments = [item.record.occurred_at for item in placed] + ([clock] if clock is not None else [])
            furthest = max(moments, default=datetime.min.replace(tzinfo=UTC))
            await connection.execute("update business_clock set stands_at = $1 where stands_at < $1", furthest)
        return taken, processes

    async def _mend(self) -> int:
        """Limits and inline rows, as `append` would have written them."""
        types = EventTypes(self._definition.aggregates, self._definition.upcasts)
        derived = Derived(self._pool, types, self._definition.limits_apart)
        return await derived.mend_limits() + await derived.mend_rows()

    async def _unreadable(self, began: int) -> int:
        """How many subjects the log holds data of, behind where the backup ended, whose keys are nowhere."""
        reader = LogReader(self._pool)
        await reader.start()
        subjects: set[str] = set()
        while found := await reader.read(began):
            subjects.update(*(subjects_of(item.record) for item in found))
            began = found[-1].position
        known = await self._pool.fetch("select subject from subject_key where subject = any ($1)", list(subjects))
        return len(subjects) - len(known)
