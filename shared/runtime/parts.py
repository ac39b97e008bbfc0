"""The running parts of one service process: pool, store, and the workers behind it."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from os import kill
from typing import Any

import asyncpg
import msgspec
import structlog

from shared.eventstore.derived import Derived
from shared.eventstore.follower import Follower, read_checkpoint
from shared.eventstore.interruptions import DATABASE
from shared.eventstore.listing import listing
from shared.eventstore.needs import IdempotencyKey
from shared.eventstore.process import Reactor
from shared.eventstore.projections import Builder, builds, follower_of
from shared.eventstore.reactions import Reactions, queue_for
from shared.eventstore.reader import LogReader
from shared.eventstore.sequencer import Sequencer
from shared.eventstore.store import WRAPPED, Store
from shared.messaging.broker import ERRORS
from shared.messaging.consumer import ADVICE, Consumer, Waiting
from shared.messaging.heads import HeadConsumer, HeadPublisher
from shared.messaging.inbox import Inbox
from shared.messaging.incarnation import Incarnations
from shared.messaging.intake import Intake
from shared.messaging.relay import READER as RELAY
from shared.messaging.relay import Relay
from shared.proof.heads import HeadSigner, Signer
from shared.recovery.identity import RESTORED, Identity, read_identity
from shared.recovery.mark import mark_of, raise_mark, read_mark
from shared.runtime.definition import ServiceDefinition, Surroundings
from shared.runtime.long_work import Operations
from shared.runtime.parked import ParkedMessages
from shared.runtime.settings import Settings
from shared.runtime.vault import ROTATION, Vault
from shared.telemetry.errors import describe
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from shared.web.peers import Peers
from shared.web.signing.guard import Guard
from shared.web.signing.nonces import NonceBook
from shared.web.signing.own_keys import OwnKeys
from shared.web.signing.scribe import Scribe

log = structlog.get_logger(__name__)

PROCESSES = "processes"
CONSUMER = "intake"
SWEEP_SECONDS = 60.0
LOOK_SECONDS = 0.5
MARK_SECONDS = 1.0
BROKER_SECONDS = 1.0
"""How long `/readyz` waits for what it only tells: those who ask wait three seconds at least."""


KEPT_ALIVE = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
"""PostgreSQL finds out within a minute that we cannot be reached any more, and lets go of what our session has locked.
Seconds, but for the count."""


async def open_pool(
    dsn: str,
    *,
    minimum: int = 2,
    maximum: int = 10,
    begin: Callable[[asyncpg.Connection], Awaitable[None]] | None = None,
) -> asyncpg.Pool:
    """A pool whose frozen sessions PostgreSQL ends, so that a stopped process cannot hold locks for long.

    `begin` is called with every new connection before it is used.
    """
    return await asyncpg.create_pool(
        dsn,
        init=begin,
        min_size=minimum,
        max_size=maximum,
        command_timeout=30,
        server_settings={"idle_in_transaction_session_timeout": "10s", "jit": "off", **KEPT_ALIVE},
        reset=_nothing_to_reset,
    )


async def _nothing_to_reset(connection: asyncpg.Connection) -> None:
    """We leave nothing set in a session, so giving one back need not cost a round trip of `RESET ALL`.

    asyncpg has ended an open transaction and forgotten listeners by now.
    """


class Parts:
    """One service process. `start` opens the store; `work` runs the workers of this process until cancelled."""

    def __init__(self, definition: ServiceDefinition, settings: Settings) -> None:
        self.definition = definition
        self.settings = settings
        self._tasks: list[asyncio.Task[Any]] = []
        self._stopping = False
        self._consumer: Consumer | None = None
        self._broker = Incarnations(settings.kafka)
        self._asking: asyncio.Task[str] | None = None
        self._log: Identity | None = None
        self._reached: Callable[[], int] = lambda: 0
        """How long this process has seen the log."""
        self.signing: Guard | None = None

    async def start(self) -> None:
        definition, settings = self.definition, self.settings
        self.pool = await open_pool(settings.databases[definition.name], begin=self._same_log)
        master = FileMasterKey(settings.secret(definition.name, "master.key"))
        keyring = Keyring(master)
        self.signer = Signer.from_file(settings.secret(definition.name, "log-signing.pem"), definition.name)
        self.peers = Peers(settings, definition.name)
        self.store = Store(
            self.pool, definition.aggregates, keyring, upcasts=definition.upcasts, views=definition.views
        )
        self.derived = Derived(self.pool, self.store.types, definition.limits_apart)
        lists = (listing(definition.listers, self.store.types, definition.listing_version),)
        self.projections = (*(lists if definition.listers else ()), *definition.projections(self.store.types))
        self.vault = Vault(self.pool, master, (*WRAPPED, *definition.wrapped))
        self.operations = Operations(self.pool)
        around = Surroundings(self.store, self.peers, settings, self.operations)
        self.outside = definition.outside(around)
        self._workers = definition.workers(around)
        self.operations.kinds |= {ROTATION: self.vault.rotate, **definition.long_work(around)}
        self.inbox = self._inbox()
        self.parked = ParkedMessages(self.pool, self.inbox, self.store.now)
        self.signing = self._guard()
        self.reader = LogReader(self.pool)
        await self.reader.start()
        self._reached = lambda: self.reader.head
        await self._look_back()
        if settings.profile == "local":
            await self.pool.execute(
                "insert into business_clock (stands_at) values ($1) on conflict do nothing", settings.clock_start
            )

    async def _same_log(self, connection: asyncpg.Connection) -> None:
        """A database that was put in the place of ours has another log, ours under another id, or less of ours: what
        this process remembers is not true of it. It ends, and whoever supervises it starts it again."""
        found = await read_identity(connection)
        if self._log is None:
            self._log = found
        elif found != self._log or await connection.fetchval("select position from log_head") < self._reached():
            log.error("log_changed", was=str(self._log.log_id), log_id=str(found.log_id))
            with suppress(OSError):
                raise_mark(mark_of(self.settings, self.definition.name), self._log.log_id, self._reached())
            connection.terminate()
            kill(os.getpid(), signal.SIGKILL)  # there is nothing to tidy up: all it would write is of another log

    async def _look_back(self) -> None:
        """A log that ends before its mark came out of a backup, though nobody said so: it gets a new id as well."""
        assert self._log is not None
        known = read_mark(mark_of(self.settings, self.definition.name), self._log.log_id)
        if self.reader.head < known:
            log.error("log_went_back", known=known, head=self.reader.head)
            renewed = await self.pool.fetchval("select renew_log()")
            self._log = Identity(renewed, self._log.log_id)

    async def _keep_mark(self) -> None:
        """Keep in mind, outside the database, how long the log has been. Where there is no room, later."""
        path, kept = mark_of(self.settings, self.definition.name), 0
        while True:
            await asyncio.sleep(MARK_SECONDS)
            if (head := self.reader.head) > kept:
                try:
                    await asyncio.to_thread(raise_mark, path, self.reader.log_id, head)
                except OSError as error:
                    log.warning("mark_not_kept", error=describe(error))
                else:
                    kept = head

    @property
    def restored(self) -> bool:
        """Whether the database came out of a backup and has not been reconciled: nothing is answered, nothing done."""
        return self._log is not None and self._log.restored

    def _inbox(self) -> Inbox | None:
        definition = self.definition
        if not definition.sources:
            return None
        if definition.effect is not None:
            return Inbox(self.pool, CONSUMER, definition.effect())
        reacts_to = frozenset(tag for process in definition.processes for tag in process.on)
        return Inbox(self.pool, CONSUMER, Intake(definition.listens, reacts_to).effect)

    def _guard(self) -> Guard | None:
        signing = self.definition.signing
        if signing is None:
            return None
        keys = OwnKeys(self.settings.secret(self.definition.name, "message-signing"), self.definition.name)
        return Guard(signing.key_of(self.store, self.peers), NonceBook(self.pool), keys, Scribe(), signing.policy)

    def run(self, role: str) -> None:
        """Start this process's tasks. Role `api` only follows the head; `worker` and `all` do the work.

        After a restore nothing is done in any role until the log has been reconciled.
        """
        if self.restored:
            log.error(RESTORED, run=f"huchuang reconcile {self.definition.name}")
            self._spawn("reconciliation", self._until_reconciled())
            return
        self._spawn("head", self.reader.listen())
        self._spawn("mark", self._keep_mark())
        if self.signing is not None:
            self._spawn("signing", self._keep_signing(self.signing))
        if role == "api":
            return
        definition = self.definition
        self._spawn("sequencer", Sequencer(self.pool, self.store.appended, self.reader.advance).run())
        relay = Relay(self.pool, self.reader, definition.name, self.settings.kafka)
        self._spawn("relay", relay.run())
        heads = HeadPublisher(self.pool, definition.name, self.settings.kafka)
        self._spawn("heads", heads.run())
        self._spawn("signer", HeadSigner(self.pool, self.reader, self.signer, heads.wake).run())
        self._spawn("sweeper", self._sweep())
        self._spawn("builder", Builder(self.pool, self.reader, self.projections, self.derived).run())
        self._spawn("operations", self.operations.run())
        if definition.processes:
            reactor = Reactor(self.store, definition.processes, self.outside)
            queue = queue_for(reactor, definition.name)
            self._spawn("processes", Follower(self.pool, self.reader, PROCESSES, queue).run())
            self._spawn("reactions", Reactions(self.store, reactor).run())
        if self.inbox is not None:
            consumer = Consumer(self.pool, self.inbox, definition.sources, self.settings.kafka)
            self._consumer = consumer
            self._spawn("consumer", consumer.run())
        for name, work in self._workers.items():
            self._spawn(name, work())
        if definition.heads is not None:
            seen = HeadConsumer(self.pool, definition.heads, definition.sources, self.settings.kafka)
            self._spawn("head_consumer", seen.run())

    async def _sweep(self) -> None:
        """Forget stored answers and destroy master keys whose time is over."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.pool.execute("select forget_expired_answers($1)", 5000)
                await self.vault.sweep()
                if self.vault.is_due():
                    asked = self.vault.rotation()
                    key = IdempotencyKey("vault", f"rotation/{asked.replaces}", b"")
                    await self.operations.accept(ROTATION, key.client, asked, key)
            except DATABASE as error:
                log.warning("sweep_interrupted", error=describe(error))

    async def _keep_signing(self, guard: Guard) -> None:
        """Forget nonces whose time is over; see to the keys with which answers are signed."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            guard.keys.refresh()
            try:
                await guard.nonces.sweep()
            except DATABASE as error:
                log.warning("sweep_interrupted", error=describe(error))

    async def _until_reconciled(self) -> None:
        """Look again and again: a new connection tells whether the log is itself again, and this process ends then."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.pool.expire_connections()
                await self.pool.fetchval("select 1")
            except DATABASE as error:
                log.info("database_away", error=describe(error))

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """A worker that ends, of whatever cause, ends the process, so that whoever supervises it starts it again."""
        if not self._stopping:
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
            told = "no error" if error is None else describe(error)
            log.error("worker_died", worker=task.get_name(), error=told, exc_info=error)
            os.kill(os.getpid(), signal.SIGTERM)

    async def stop(self) -> None:
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        await self._broker.close()
        await self.peers.close()
        if self.signing is not None:
            await self.signing.scribe.close()
        await self.pool.close()

    async def ready(self) -> tuple[int, bytes]:
        """Whether this process can answer now: the database answers, no worker has died.

        A broker that is away is told and decides nothing: what is accepted waits in the log, and is published later.
        So are some messages of an unknown log; of many its source's database was changed, which somebody has to mend.
        """
        checks: dict[str, str] = {}
        try:
            async with asyncio.timeout(3):
                await self.pool.fetchval("select 1")
            checks["database"] = "ok"
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            checks["database"] = type(error).__name__
        for task in self._tasks:
            checks[task.get_name()] = "stopped" if task.done() else "ok"
        if self.restored:
            checks["log"] = f"restored from a backup: run huchuang reconcile {self.definition.name}"
        ready = all(value == "ok" for value in checks.values())
        if self._consumer is not None and self._consumer.refused:
            checks["sources"] = f"unknown log of {', '.join(sorted(self._consumer.refused))}: {ADVICE}"
            ready = ready and not self._consumer.changed
        status = RESTORED if self.restored else "ready" if ready else "not_ready"
        checks["broker"] = await self._broker_says()
        body = {"status": status, "checks": checks}
        return (200 if ready else 503), msgspec.json.encode(body)

    async def _broker_says(self) -> str:
        """What the broker answers within a second. The question is not taken back: the next who asks may get it."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._broker.cluster())
        asking = self._asking
        await asyncio.wait({asking}, timeout=BROKER_SECONDS)
        if not asking.done():
            return "no answer yet"
        if self._asking is asking:
            self._asking = None
        try:
            asking.result()
        except ERRORS as error:
            return type(error).__name__
        return "ok"

    @property
    def waiting(self) -> dict[str, Waiting]:
        """What of others' events waits for earlier ones in this process, by source; in role `api` nothing is read."""
        return {} if self._consumer is None else self._consumer.waiting

    async def progress(self) -> dict[str, Any]:
        """How far everything is: what `huchuang clock advance` waits for and what the console shows."""
        pool = self.pool
        row = await pool.fetchrow(
            "select (select position from log_head) as head, (select count(*) from unsequenced) as unsequenced,"
            " (select count(*) from reaction) as reactions,"
            " (select count(*) from operation where finished_at is null) as operations,"
            " (select stands_at from business_clock) as clock,"
            " (select count(*) from parked where dropped_at is null) as parked,"
            " (select min(due_at) from timer) as next_due, (select log_id from log_identity) as log_id"
        )
        applied = await pool.fetch("select source, log_id, watermark from applied where consumer = $1", CONSUMER)
        followers = {RELAY: await read_checkpoint(pool, RELAY)}
        followed = {projection.name for projection in self.projections}
        live = [build for build in await builds(pool) if build.state == "live" and build.name in followed]
        followers |= {follower_of(build.name, build.build): build.position for build in live}
        if self.definition.processes:
            followers[PROCESSES] = await read_checkpoint(pool, PROCESSES)
        clock = row["clock"]
        return {
            "service": self.definition.name,
            "log_id": str(row["log_id"]),
            "head": row["head"],
            "unsequenced": row["unsequenced"],
            "reactions": row["reactions"],
            "operations": row["operations"],
            "parked": row["parked"],
            "clock": None if clock is None else clock.isoformat(),
            "next_due": None if row["next_due"] is None else row["next_due"].isoformat(),
            "followers": followers,
            "sources": list(self.definition.sources),
            "applied": {item["source"]: item["watermark"] for item in applied},
        }
