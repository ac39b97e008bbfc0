"""A service's database is backed up, goes on, is restored, and becomes itself again."""

import asyncio
import os
import signal
from uuid import UUID

import pytest

from shared.eventstore.needs import Needs
from shared.recovery.mark import mark_of, set_mark
from shared.runtime.parts import Parts
from shared.values.personal import REDACTED
from tests.brokers import CHOICES
from tests.integration.eventstore.account import ACCOUNT, Opened
from tests.integration.eventstore.commands import key, move, open_account, stream_of
from tests.integration.recovery.working import APART, DEFINITION, OFTEN, SERVICE, Desk, lost, two_days, work


@pytest.mark.parametrize("desk", CHOICES, indirect=True)
@pytest.mark.parametrize("aside", [True, False], ids=["put-aside", "kafka-alone"])
async def test_a_restored_log_becomes_itself_again(desk: Desk, aside: bool) -> None:
    manifest = await two_days(desk)
    before = await desk.log()

    restored = await desk.restore()
    assert restored.manifest == manifest
    [(former, renewed, position)] = await desk.rows(
        "select former::text, log_id <> former, position from log_identity, log_head"
    )
    assert (former, renewed, position) == (manifest.log_id, True, manifest.position)

    done = await desk.reconciled(aside=aside)
    assert done.brought_back == done.position - manifest.position > 0
    assert (done.aside, done.unreadable) == (aside, 0 if aside else 6)
    assert await desk.log() == before
    assert await desk.reconcile() is None


@pytest.mark.parametrize("aside", [True, False], ids=["put-aside", "kafka-alone"])
async def test_what_processes_have_done_is_not_done_again_and_the_work_goes_on(desk: Desk, aside: bool) -> None:
    await two_days(desk)
    before = await desk.log()
    await desk.restore()
    await desk.reconciled(aside=aside)
    async with desk.at_work():
        pass
    assert await desk.log() == before, "the reactions to the events that came back have added nothing"
    async with desk.at_work() as store:
        streams = await work(store, "wednesday")
    async with desk.at_work() as store:
        found = await store.look(Needs(streams=tuple(streams)))
        assert [found.state(ACCOUNT, stream).total for stream in streams] == [101] * 3 + [100] * 3


async def test_answers_and_keys_come_from_the_database_put_aside(desk: Desk) -> None:
    await two_days(desk)
    await desk.execute(f"insert into limit_unique values ('{APART}', 'hash', 'acc_1')")
    await desk.restore()
    done = await desk.reconciled()
    assert (done.taken.keys, done.unreadable) == (6, 0)
    assert await desk.rows(f"select key, holder from limit_unique where scope = '{APART}'") == [("hash", "acc_1")]
    async with desk.at_work() as store:
        again = await open_account(store, "tuesday-1", "tuesday-1", idempotency=key("tuesday-1"))
        assert again.repeated
        opened = (await store.look(Needs(streams=(stream_of(again),)))).history(stream_of(again))[0]
        assert isinstance(opened.event, Opened)
        assert await store.disclose([(opened.id, opened.event.secret)]) == ["秘密"]  # type: ignore[list-item]


async def test_without_it_the_keys_of_new_subjects_are_lost_and_their_data_reads_as_deleted(desk: Desk) -> None:
    await two_days(desk)
    await desk.restore()
    await lost(desk)
    assert (await desk.reconciled()).unreadable == 6
    async with desk.at_work() as store:
        again = await open_account(store, "another name", "tuesday-1")
        [(stream,)] = await desk.rows("select holder from limit_unique where key = 'tuesday-1' and scope = 'name'")
        for of, reads in ((str(stream), REDACTED), (stream_of(again), "秘密")):
            opened = (await store.look(Needs(streams=(of,)))).history(of)[0]
            assert isinstance(opened.event, Opened)
            assert await store.disclose([(opened.id, opened.event.secret)]) == [reads]  # type: ignore[list-item]


async def test_a_key_that_was_destroyed_after_the_backup_stays_destroyed(desk: Desk) -> None:
    async with desk.at_work() as store:
        await work(store, "monday")
    await desk.back_up()
    async with desk.at_work() as store:
        assert await store.erase("monday-2")
    await desk.restore()
    assert (await desk.reconciled()).taken.destroyed == 1
    assert await desk.rows("select wrapped from subject_key where subject = 'monday-2'") == [(None,)]


async def test_what_was_accepted_and_had_no_position_yet_is_not_lost(desk: Desk) -> None:
    """Neither in the backup nor in the database put aside."""
    async with desk.at_work() as store:
        [first, *_] = await work(store, "monday")
    async with desk.idle() as store:
        await move(store, first)
        await desk.back_up()
        await move(store, first)
    assert await desk.rows("select count(*) from unsequenced") == [(2,)]
    await desk.restore()
    assert (await desk.reconciled()).brought_back == 2
    async with desk.at_work() as store:
        assert (await store.look(Needs(streams=(first,)))).state(ACCOUNT, first).total == 103


async def test_what_the_backup_held_without_a_position_gets_one_when_nobody_else_has_seen_it(desk: Desk) -> None:
    async with desk.at_work() as store:
        [first, *_] = await work(store, "monday")
    async with desk.idle() as store:
        await move(store, first)
    await desk.back_up()
    await desk.restore()
    await lost(desk)
    assert (await desk.reconciled()).brought_back == 0
    async with desk.at_work() as store:
        assert (await store.look(Needs(streams=(first,)))).state(ACCOUNT, first).total == 102


async def test_a_database_that_went_back_by_other_means_is_noticed_and_reconciled_as_well(desk: Desk) -> None:
    async with desk.at_work() as store:
        await work(store, "monday")
    await desk.copied()
    async with desk.at_work() as store:
        await work(store, "tuesday")
    before = await desk.log()
    assert await desk.answers()
    await desk.put_in_place()
    assert not await desk.answers()
    await desk.reconciled()
    assert await desk.answers()
    assert await desk.log() == before


@pytest.mark.parametrize("by", ["restore", "other means"])
async def test_a_process_kills_itself_when_its_database_is_replaced(
    desk: Desk, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk.at_work() as store:
        await work(store, "monday")
    await desk.copied()
    await desk.back_up()
    told: list[tuple[int, int]] = []
    monkeypatch.setattr("shared.runtime.parts.kill", lambda *asked: told.append(asked))
    parts = Parts(DEFINITION, desk.settings)
    await parts.start()
    parts.run("all")
    await work(parts.store, "tuesday")
    await asyncio.sleep(4 * OFTEN)
    await (desk.restore() if by == "restore" else desk.put_in_place())
    async with asyncio.timeout(10):
        while not told:
            await asyncio.sleep(0.05)
    assert not await desk.answers(), "the one that is started in its place"
    await desk.reconciled()
    await parts.stop()
    assert set(told) == {(os.getpid(), signal.SIGKILL)}


async def test_what_had_reached_nobody_is_told_to_be_lost_and_the_log_goes_on(desk: Desk) -> None:
    manifest = await two_days(desk)
    await desk.restore()
    await lost(desk)
    position = (await desk.tail())[-1]
    set_mark(mark_of(desk.settings, SERVICE), UUID(manifest.log_id), position + 2)
    done = await desk.reconciled()
    assert done.notes == (f"2 events behind position {position} had reached nobody: they are lost for good",)
    assert await desk.answers()
