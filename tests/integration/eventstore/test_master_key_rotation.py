"""The master key is replaced under load: what it wrapped opens under its successor, and old copies go dark in time."""

import asyncio
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest

from shared.eventstore.needs import Needs
from shared.eventstore.store import WRAPPED, Store
from shared.runtime.long_work import Operations, Progress
from shared.runtime.vault import ROTATION, SERVES, Vault
from shared.values.personal import REDACTED, Sealed
from shared.vault import rotation
from shared.vault.boxes import Unreadable
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from tests.integration.eventstore.account import ACCOUNT, Opened
from tests.integration.eventstore.commands import key, open_account, stream_of


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def vault(pool: asyncpg.Pool, keys: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    monkeypatch.setattr("shared.runtime.vault.REFRESH_SECONDS", 0.05)
    monkeypatch.setattr("shared.vault.master.REFRESH_SECONDS", 0.02)
    monkeypatch.setattr(rotation, "PAGE", 7)
    return Vault(pool, FileMasterKey(keys), WRAPPED)


async def rotated(vault: Vault, pool: asyncpg.Pool) -> dict[str, object]:
    found = await vault.rotate(msgspec.json.encode(vault.rotation()), Progress(pool, "opn_1"))
    return dict(found)


async def secret_of(store: Store, stream: str) -> object:
    stored = (await store.look(Needs(streams=(stream,)))).history(stream)[0]
    assert isinstance(stored.event, Opened)
    assert isinstance(stored.event.secret, Sealed)
    return (await store.disclose([(stored.id, stored.event.secret)]))[0]


async def under(pool: asyncpg.Pool, master: FileMasterKey) -> tuple[int, int]:
    """How many keys and answers are under the current master key, and how many are there."""
    row = await pool.fetchrow(
        "select count(*) filter (where substring(v from 1 for 5) = $1), count(*) from ("
        " select wrapped as v from subject_key where wrapped is not null"
        " union all select answer from idempotency) as w",
        master.current(),
    )
    return tuple(row)


async def test_all_that_was_wrapped_opens_under_the_successor_alone(
    store: Store, pool: asyncpg.Pool, keys: Path, vault: Vault
) -> None:
    streams = [stream_of(await open_account(store, f"n{n}", f"o{n}", idempotency=key(f"k{n}"))) for n in range(30)]
    told = await rotated(vault, pool)
    assert (told["rewrapped"], told["unreadable"]) == (60, 0)
    keys.with_name(next(file.name for file in keys.parent.iterdir() if ".until-" in file.name)).unlink()
    fresh = Store(pool, [ACCOUNT], Keyring(FileMasterKey(keys)))
    assert await secret_of(fresh, streams[3]) == await secret_of(store, streams[3]) != REDACTED
    again = await open_account(fresh, "n5", "o5", idempotency=key("k5"))
    assert (again.repeated, stream_of(again)) == (True, streams[5])


async def test_writers_go_on_while_it_is_replaced_and_nothing_stays_under_the_old_one(
    vault: Vault, store: Store, other_store: Store, pool: asyncpg.Pool, keys: Path
) -> None:
    over = asyncio.Event()

    async def write(name: str, mine: Store) -> int:
        n = 0
        while not over.is_set():
            await open_account(mine, f"{name}{n}", f"{name}{n}", idempotency=key(f"{name}{n}"))
            n += 1
        return n

    writers = [asyncio.create_task(write(name, mine)) for name, mine in (("a", store), ("b", other_store))]
    for _ in range(3):
        await rotated(vault, pool)
    over.set()
    written = sum(await asyncio.gather(*writers))
    current, all_of_them = await under(pool, FileMasterKey(keys))
    assert current == all_of_them == written * 2


async def test_begun_again_it_goes_on_where_it_was(
    store: Store, pool: asyncpg.Pool, keys: Path, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(20):
        await open_account(store, f"n{n}", f"o{n}")
    asked = msgspec.json.encode(vault.rotation())
    progress = Progress(pool, "opn_1")

    async def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(progress, "tell", die)
        with pytest.raises(Killed):
            await vault.rotate(asked, progress)
    assert await under(pool, FileMasterKey(keys)) == (7, 20)
    assert (await vault.rotate(asked, Progress(pool, "opn_1")))["unreadable"] == 0
    assert await under(pool, FileMasterKey(keys)) == (20, 20)
    assert FileMasterKey(keys).current()[-1] == 2, "asked once, replaced once"


async def test_a_copy_of_the_database_can_be_read_until_its_key_expires_and_never_after(
    store: Store, pool: asyncpg.Pool, keys: Path, vault: Vault, tmp_path: Path
) -> None:
    """An erased person comes back with an old copy of the database, but only for as long as its master key is kept."""
    stream = stream_of(await open_account(store, "n", "o"))
    copy = await pool.fetchval("select wrapped from subject_key where subject = 'o'")
    await rotated(vault, pool)
    await store.erase("o")
    assert await secret_of(store, stream) is REDACTED
    assert FileMasterKey(keys).unwrap(copy, "o")
    later = datetime.now(UTC) + rotation.KEEP + timedelta(days=1)
    assert await rotation.destroy_expired(pool, FileMasterKey(keys), WRAPPED, datetime.now(UTC)) == []
    assert len(await rotation.destroy_expired(pool, FileMasterKey(keys), WRAPPED, later)) == 1
    with pytest.raises(Unreadable):
        FileMasterKey(keys).unwrap(copy, "o")


async def test_what_came_in_late_is_wrapped_anew_before_its_key_is_destroyed(
    store: Store, pool: asyncpg.Pool, keys: Path, vault: Vault
) -> None:
    stream = stream_of(await open_account(store, "n", "o"))
    old = await pool.fetchval("select wrapped from subject_key where subject = 'o'")
    await rotated(vault, pool)
    later = datetime.now(UTC) + rotation.KEEP + timedelta(days=1)
    await pool.execute("update subject_key set wrapped = $1 where subject = 'o'", old)
    assert len(await rotation.destroy_expired(pool, FileMasterKey(keys), WRAPPED, later)) == 1
    fresh = Store(pool, [ACCOUNT], Keyring(FileMasterKey(keys)))
    assert await secret_of(fresh, stream) == "秘密"


async def test_an_expired_key_that_still_wraps_something_is_kept(
    store: Store, pool: asyncpg.Pool, keys: Path, vault: Vault
) -> None:
    await open_account(store, "n", "o")
    old: bytes = await pool.fetchval("select wrapped from subject_key where subject = 'o'")
    await rotated(vault, pool)
    later = datetime.now(UTC) + rotation.KEEP + timedelta(days=1)
    await pool.execute("update subject_key set wrapped = $1 where subject = 'o'", old[:-1] + b"?")
    assert await rotation.destroy_expired(pool, FileMasterKey(keys), WRAPPED, later) == []
    assert FileMasterKey(keys).unwrap(old, "o")


async def test_what_was_wrapped_before_keys_had_numbers_is_wrapped_anew(
    store: Store, pool: asyncpg.Pool, keys: Path, vault: Vault
) -> None:
    stream = stream_of(await open_account(store, "n", "o", idempotency=key("k")))
    await pool.execute("update subject_key set wrapped = substring(wrapped from 6)")
    await pool.execute("update idempotency set answer = substring(answer from 6)")
    shutil.copy(keys, keys.with_name("kept"))
    before = Store(pool, [ACCOUNT], Keyring(FileMasterKey(keys)))
    assert await secret_of(before, stream) == "秘密"
    await rotated(vault, pool)
    after = Store(pool, [ACCOUNT], Keyring(FileMasterKey(keys)))
    assert await secret_of(after, stream) == "秘密"
    assert (await open_account(after, "n", "o", idempotency=key("k"))).repeated


async def test_a_key_that_has_served_long_enough_is_due(pool: asyncpg.Pool, keys: Path, vault: Vault) -> None:
    assert not vault.is_due()
    month_ago = (datetime.now(UTC) - SERVES - timedelta(hours=1)).timestamp()
    os.utime(keys, (month_ago, month_ago))
    assert vault.is_due()
    await rotated(vault, pool)
    assert not vault.is_due()


async def test_fingerprints_stay_the_same_over_a_rotation(pool: asyncpg.Pool, keys: Path, vault: Vault) -> None:
    before = Keyring(FileMasterKey(keys)).fingerprint(b"body")
    await rotated(vault, pool)
    assert Keyring(FileMasterKey(keys)).fingerprint(b"body") == before


async def test_an_operation_is_accepted_once_and_tells_its_end(pool: asyncpg.Pool, vault: Vault, store: Store) -> None:
    await open_account(store, "n", "o")
    operations = Operations(pool, {ROTATION: vault.rotate})
    first, repeated = await operations.accept(ROTATION, "ops", vault.rotation(), key("k"))
    assert not repeated
    assert (await operations.accept(ROTATION, "ops", vault.rotation(), key("k"))) == (first, True)
    assert first.status == "accepted"
    assert await operations.step()
    assert not await operations.step()
    ended = await operations.find(first.id)
    assert ended is not None
    assert ended.status == "succeeded"
    assert msgspec.json.decode(ended.result or b"")["rewrapped"] == 1


async def test_twins_that_are_accepted_at_once_are_one_operation(pool: asyncpg.Pool, vault: Vault) -> None:
    operations = Operations(pool, {ROTATION: vault.rotate})
    twins = await asyncio.gather(
        *(operations.accept(ROTATION, "ops", vault.rotation(), key("twins")) for _ in range(30))
    )
    assert len({twin.operation.id for twin in twins}) == 1
    assert sorted(twin.repeated for twin in twins) == [False, *[True] * 29]
