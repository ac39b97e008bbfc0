"""The clock of the database's machine goes back by an hour: what was stored before lies an hour ahead of it."""

from collections.abc import Sequence
from pathlib import Path

import asyncpg

from shared.eventstore.interruptions import AskLater
from shared.eventstore.lease import Lease
from shared.eventstore.process import Ask, Command, Process, Reaction, Reactor
from shared.eventstore.record import Record
from shared.eventstore.store import Store
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from tests.faults.report import Result, keep
from tests.integration.eventstore.account import ACCOUNT
from tests.integration.eventstore.commands import open_account
from tests.integration.eventstore.test_reactions import queued


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
