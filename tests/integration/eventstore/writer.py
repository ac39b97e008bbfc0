"""A writer as a process of its own: `python -m tests.integration.eventstore.writer DSN KEY_FILE NAME`.

Carries out a mix of commands over streams, names and a budget that it shares with others, many at once, and prints what
its own answers said.
"""

import asyncio
import random
import sys
from collections import Counter
from pathlib import Path

import msgspec

from shared.eventstore.decider import Rejection
from shared.eventstore.interruptions import Contended
from shared.eventstore.store import Carried, Store
from shared.runtime.parts import open_pool
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from tests.integration.eventstore.account import ACCOUNT
from tests.integration.eventstore.commands import move, open_account, spend, stream_of

COMMANDS = 300
AT_ONCE = 48
SHARED = tuple(f"acc_shared-{n}" for n in range(6))
NAMES = 40
OWNERS = 5
LINE = "2025"


class Told(msgspec.Struct):
    """What the answers said: moves by stream, streams by name, accounts by owner, spendings, and each rejection."""

    moved: dict[str, int] = {}
    names: dict[str, str] = {}
    owners: dict[str, int] = {}
    spent: int = 0
    rejected: dict[str, int] = {}
    contended: int = 0


async def write(dsn: str, keys: Path, name: str) -> Told:
    pool = await open_pool(dsn)
    store = Store(pool, [ACCOUNT], Keyring(FileMasterKey(keys)))
    chance = random.Random(name)
    free = asyncio.Semaphore(AT_ONCE)
    moved: Counter[str] = Counter()
    owners: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    told = Told()

    def accepted(carried: Carried) -> bool:
        if isinstance(carried.outcome, Rejection):
            rejected[carried.outcome.code] += 1
            return False
        return True

    async def one() -> None:
        kind = chance.choice(("move", "move", "open", "spend"))
        streams = chance.sample(SHARED, chance.choice((1, 2, 3)))
        title, owner = f"name-{chance.randrange(NAMES)}", f"owner-{chance.randrange(OWNERS)}"
        async with free:
            if kind == "move":
                if accepted(await move(store, *streams)):
                    moved.update(streams)
            elif kind == "open":
                if accepted(carried := await open_account(store, title, owner)):
                    told.names[title] = stream_of(carried)
                    owners[owner] += 1
            elif accepted(await spend(store, LINE, "18.00")):
                told.spent += 1

    async def settled(task: asyncio.Task[None]) -> None:
        try:
            await task
        except Contended:
            told.contended += 1

    await asyncio.gather(*(settled(asyncio.create_task(one())) for _ in range(COMMANDS)))
    await pool.close()
    told.moved, told.owners, told.rejected = dict(moved), dict(owners), dict(rejected)
    return told


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(asyncio.run(write(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))).decode())
