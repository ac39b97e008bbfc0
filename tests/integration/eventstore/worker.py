"""A whole worker of the kernel as a process of its own, to be killed: writer, sequencer, lists, process and timers.

`python -m tests.integration.eventstore.worker DSN KEY_FILE NAME COUNT` opens COUNT accounts under idempotency keys, so
that a second run under the same NAME repeats the first, says `written`, and works on until it is terminated.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from shared.eventstore import lease
from shared.eventstore.derived import Derived
from shared.eventstore.follower import Follower
from shared.eventstore.interruptions import Contended
from shared.eventstore.listing import Lister, listing
from shared.eventstore.needs import Needs
from shared.eventstore.process import Command, Process, Reaction, Reactor, SetTimer
from shared.eventstore.projections import Builder
from shared.eventstore.reactions import Reactions, queue_for
from shared.eventstore.reader import LogReader
from shared.eventstore.record import Record, tag_of
from shared.eventstore.sequencer import Sequencer
from shared.eventstore.store import Store
from shared.eventstore.work import Answer, Work
from shared.proof.heads import HeadSigner, Signer
from shared.runtime.parts import open_pool
from shared.testing.fault_points import arm_from_environment
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from tests.integration.eventstore.account import ACCOUNT, Moved, Opened
from tests.integration.eventstore.commands import key, open_account
from tests.integration.eventstore.listed import show

TTL = timedelta(seconds=1)
DELAY = timedelta(milliseconds=100)
AT_ONCE = 8


def mirror_of(stream: str) -> str:
    return f"acc_mirror-{stream}"


def _move(stream: str, by: int) -> Command:
    def handle(work: Work) -> Answer:
        work.append(ACCOUNT, stream, [Moved(by)])
        return Answer(204, b"")

    return Command(needs=Needs(streams=(stream,)), handler=handle)


def react(record: Record) -> Sequence[Reaction]:
    timer = SetTimer(key=record.stream, due_at=record.occurred_at + DELAY, payload=b"")
    return (_move(mirror_of(record.stream), 1), timer)


MIRROR = Process(
    name="mirror",
    on=frozenset({tag_of(Opened)}),
    react=react,
    wake=lambda stream, _: (_move(mirror_of(stream), 10),),
)


async def write(store: Store, name: str, count: int) -> None:
    free = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        mine = f"{name}-{number}"
        async with free:
            while True:
                try:
                    await open_account(store, mine, mine, idempotency=key(mine))
                    return
                except Contended:
                    continue

    await asyncio.gather(*map(one, range(count)))


async def work(dsn: str, keys: Path, name: str, count: int) -> None:
    lease.TTL = TTL
    pool = await open_pool(dsn)
    store = Store(pool, [ACCOUNT], Keyring(FileMasterKey(keys)))
    reader = LogReader(pool)
    await reader.start()
    reactor = Reactor(store, [MIRROR])

    lists = listing([Lister("account", ACCOUNT, show)], store.types, 1)
    signer = Signer.from_file(keys.with_name("log-signing.pem"), "test")
    running = [
        asyncio.create_task(part)
        for part in (
            reader.listen(),
            Sequencer(pool, store.appended, reader.advance).run(),
            Builder(pool, reader, [lists], Derived(pool, store.types)).run(),
            Follower(pool, reader, "processes", queue_for(reactor, "test")).run(),
            Reactions(store, reactor).run(),
            HeadSigner(pool, reader, signer).run(),
        )
    ]
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    await write(store, name, count)
    print("written", flush=True)
    await over.wait()
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await pool.close()


if __name__ == "__main__":
    arm_from_environment()
    asyncio.run(work(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
