"""A service's database is backed up, goes on, is restored, and becomes itself again."""

from shared.eventstore.store import Store
from tests.integration.eventstore.commands import close, key, move, open_account, set_bound, spend, stream_of
from tests.integration.recovery.working import Desk


async def work(store: Store, day: str, count: int = 20) -> list[str]:
    """A day's work: accounts with names, money that is spent, and some of it taken back."""
    await set_bound(store, day, "1000.00")
    streams = [
        stream_of(await open_account(store, f"{day}-{n}", f"{day}-{n}", idempotency=key(f"{day}-{n}")))
        for n in range(count)
    ]
    await move(store, *streams[:3])
    await spend(store, day, "12.50")
    await close(store, streams[-1])
    return streams


async def test_a_restored_log_becomes_itself_again(desk: Desk) -> None:
    async with desk.at_work() as store:
        [first, *_] = await work(store, "monday")
    manifest = await desk.back_up()
    async with desk.at_work() as store:
        await move(store, first)
        await work(store, "tuesday")
    before = await desk.log()

    restored = await desk.restore()
    assert restored.manifest == manifest
    assert (await desk.rows("select position from log_head")) == [(manifest.position,)]
    assert (await desk.rows("select former::text, log_id::text <> former::text from log_identity")) == [
        (manifest.log_id, True)
    ]

    done = await desk.reconcile()
    assert done is not None
    assert done.brought_back == done.position - manifest.position > 0
    assert done.unreadable == 0
    assert await desk.log() == before
    assert await desk.reconcile() is None
