"""What lacks is named, what does not fit is refused and changes nothing, what was killed is finished by another run."""

import signal
import stat
import tarfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from deploy.local import restoring
from deploy.local.backups import DUMP, BackupRefused, Manifest, _pack, read_manifest
from deploy.local.failures import StackFailed
from shared.eventstore.record import canonical, parse
from shared.messaging.topics import HEADS, headers, topic_of
from shared.proof.heads import Head, SignedHead, Signer
from shared.recovery.reconcile import Others
from shared.recovery.tail import Witness
from shared.testing.fault_points import FaultPoint
from tests.brokers import Brokers
from tests.faults.report import Result, keep
from tests.integration.recovery.working import SERVICE, Desk, one_day, two_days, work


async def test_an_empty_broker_alone_is_not_enough_and_audits_archive_is(desk: Desk, brokers: Brokers) -> None:
    manifest = await two_days(desk)
    before = await desk.log()
    records = await desk.records(after=manifest.position)
    await desk.restore()
    async with brokers.with_topics("tansu", topic_of(SERVICE), HEADS) as empty:
        desk.settings = msgspec.structs.replace(desk.settings, kafka=empty.bootstrap)
        last = max(records)
        reason = await desk.refused(others=Others([Witness("loans", {}, last)], []))
        assert reason == f"nobody holds positions {manifest.position + 1} to {last}; they were there, by loans ({last})"
        archive = Witness("audit's archive", records, last)
        await desk.reconciled(aside=False, others=Others([archive], []))
    assert await desk.log() == before


async def test_a_hole_in_the_tail_is_named(desk: Desk) -> None:
    manifest = await two_days(desk)
    await desk.restore()
    beyond = (await desk.tail())[-1] + 2
    reason = await desk.refused(others=Others([Witness("audit's archive", {beyond: b"{}"}, beyond)], []))
    assert reason.startswith(f"nobody holds positions {beyond - 1}; they were there, by audit's archive")
    assert manifest.position < beyond


async def test_a_head_that_disagrees_is_named_and_a_strangers_says_nothing(desk: Desk, tmp_path: Path) -> None:
    manifest = await two_days(desk)
    await desk.restore()
    size = manifest.position + 2
    theirs = Signer.from_file(tmp_path / "stranger.pem", SERVICE)
    own = Signer.from_file(desk.settings.secret(SERVICE, "log-signing.pem"), SERVICE)
    reason = await desk.refused(others=Others([], [forged(own, manifest, size)]))
    assert reason.startswith(f"the signed head of {size} events has the root {'00' * 32}")
    reason = await desk.refused(others=Others([], [forged(own, manifest, manifest.position)]))
    assert reason == f"the backup itself does not lead to the signed head of {manifest.position} events"
    await desk.reconciled(others=Others([], [forged(theirs, manifest, size)]))


def forged(signer: Signer, manifest: Manifest, size: int) -> SignedHead:
    return signer.sign(
        Head(
            service=SERVICE,
            log_id=manifest.log_id,
            tree_size=size,
            root="00" * 32,
            hash="sm3",
            signed_at=manifest.taken_at,
        )
    )


async def test_records_that_contradict_one_another_are_named(desk: Desk) -> None:
    manifest = await two_days(desk)
    await desk.restore()
    position = manifest.position + 1
    other = Others([Witness("audit's archive", {position: b"{}"}, position)], [])
    assert await desk.refused(others=other) == f"position {position} is not the same in Kafka and in audit's archive"


async def test_nothing_is_taken_of_a_database_put_aside_that_says_other_than_kafka(desk: Desk) -> None:
    await two_days(desk)
    before = await desk.log()
    tampered = "update event set occurred_at = occurred_at + interval '1 day' where type = 'test.Moved.v1'"
    await desk.execute(tampered)
    await desk.restore()
    done = await desk.reconciled()
    assert (done.aside, done.taken.answers, len(done.notes)) == (False, 0, 1)
    assert await desk.log() == before


async def test_a_database_put_aside_before_an_earlier_restore_gives_back_no_older_keys(desk: Desk) -> None:
    await two_days(desk)
    await desk.restore()
    await desk.reconciled()
    async with desk.at_work() as store:
        await work(store, "wednesday")
    await desk.back_up()
    before = await desk.rows("select * from subject_key order by subject")
    log = await desk.log()
    youngest = (await desk.restore()).aside
    await desk.drop(str(youngest))
    done = await desk.reconciled()
    assert not done.aside
    assert [note.partition(" is ")[2] for note in done.notes] == ["older than the backup: nothing is taken of it"]
    assert await desk.rows("select * from subject_key order by subject") == before
    assert await desk.log() == log


async def test_a_database_put_aside_that_cannot_be_read_now_is_waited_for(desk: Desk) -> None:
    await two_days(desk)
    await desk.restore()
    [aside] = await restoring.asides(desk.dsn)
    connection = await asyncpg.connect(aside)
    await connection.execute("alter table event rename to away")
    assert "cannot be read" in await desk.refused(aside=True)
    await connection.execute("alter table away rename to event")
    await connection.close()
    assert (await desk.reconciled()).aside


async def test_a_backup_of_another_log_is_restored_only_when_that_is_said(desk: Desk) -> None:
    manifest = await two_days(desk)
    await desk.execute("update log_identity set log_id = gen_random_uuid()")
    before = await desk.log()
    with pytest.raises(BackupRefused, match="--other-log"):
        await desk.restore()
    assert await desk.log() == before
    await restoring.restore(desk.admin, desk.dsn, SERVICE, desk.file, other_log=True)
    assert await desk.rows("select former::text from log_identity") == [(manifest.log_id,)]


async def test_two_records_at_one_position_of_kafka_are_named(desk: Desk) -> None:
    manifest = await two_days(desk)
    position, data = max((await desk.records(after=manifest.position)).items())
    record = parse(data)
    other = msgspec.structs.replace(record, occurred_at=record.occurred_at + timedelta(days=1))
    await desk.restore()
    async with AIOKafkaProducer(bootstrap_servers=desk.settings.kafka) as producer:
        said = headers(SERVICE, position, other)
        await producer.send_and_wait(topic_of(SERVICE), canonical(other), key=other.stream.encode(), headers=said)
    assert await desk.refused() == f"Kafka holds two different records at position {position}"


async def test_a_broker_that_is_away_is_waited_for(desk: Desk) -> None:
    await two_days(desk)
    await desk.restore()
    kafka = desk.settings.kafka
    desk.settings = msgspec.structs.replace(desk.settings, kafka="127.0.0.1:9")
    assert "start the broker" in await desk.refused()
    desk.settings = msgspec.structs.replace(desk.settings, kafka=kafka)
    await desk.reconciled()


# -- files that are not restored --------------------------------------------------------------------------------------


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20_000])


def bent(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def removed(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("harm", [cut, bent, emptied, removed], ids=lambda harm: harm.__name__)
async def test_a_damaged_file_is_refused_and_nothing_has_changed(desk: Desk, harm: Callable[[Path], None]) -> None:
    await one_day(desk)
    before = await desk.log()
    harm(desk.file)
    with pytest.raises(BackupRefused):
        await desk.restore()
    assert await desk.log() == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"service": "loans"}, "huchuang restore loans"),
        ({"revision": "9999"}, "update huchuang"),
        ({"format": 2}, "later huchuang"),
        ({"position": 1}, "other tables than it says"),
        ({"root": "00"}, "other tables than it says"),
        ({"tables": {}}, "other tables than it says"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_a_backup_that_does_not_fit_is_refused(desk: Desk, changed: dict[str, object], said: str) -> None:
    manifest = await one_day(desk)
    before = await desk.log()
    with desk.file.with_suffix(".dump").open("wb") as dump, tarfile.open(desk.file) as tar:
        found = tar.extractfile(DUMP)
        assert found is not None
        dump.write(found.read())
    _pack(desk.file, msgspec.structs.replace(manifest, **changed), desk.file.with_suffix(".dump"))
    with pytest.raises(BackupRefused, match=said):
        await desk.restore()
    assert await desk.log() == before


async def test_events_that_were_changed_before_the_backup_are_found_out(desk: Desk) -> None:
    async with desk.at_work() as store:
        await work(store, "monday")
    await desk.execute(
        'update event set payload = convert_to(\'{"type":"test.Moved.v1","by":7}\', \'utf8\')'
        " where type = 'test.Moved.v1'"
    )
    await desk.back_up()
    with pytest.raises(BackupRefused, match="not what was first written"):
        await desk.restore()


async def test_a_backup_is_private_and_says_what_it_holds(desk: Desk) -> None:
    manifest = await two_days(desk)
    assert stat.S_IMODE(desk.file.stat().st_mode) == 0o600
    assert sorted(path.name for path in desk.file.parent.iterdir()) == [desk.file.name]
    assert read_manifest(desk.file) == manifest
    assert manifest.tables["event"] == manifest.position
    assert "秘密".encode() not in desk.file.read_bytes()


async def test_what_came_out_of_a_backup_is_not_backed_up_before_it_is_reconciled(desk: Desk) -> None:
    await one_day(desk)
    await desk.restore()
    with pytest.raises(StackFailed, match="huchuang reconcile training"):
        await desk.back_up()


# -- interrupted ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [FaultPoint.RESTORE_LOADED, FaultPoint.RESTORE_SWAPPED])
async def test_a_restore_killed_anywhere_leaves_the_one_or_the_other_and_once_more_finishes(
    desk: Desk, at: FaultPoint
) -> None:
    manifest = await two_days(desk)
    before = await desk.log()
    assert await desk.killed("restore", at, str(desk.file)) == -signal.SIGKILL
    if at is FaultPoint.RESTORE_LOADED:
        assert await desk.log() == before
    else:
        assert await desk.rows("select position from log_head") == [(manifest.position,)]
    await desk.restore()
    await desk.reconciled()
    assert await desk.log() == before
    keep(Result("`kill -9`", "huchuang restore", 1, "the one database or the other; run again, it finishes", ""))


@pytest.mark.parametrize("at", [FaultPoint.RECONCILE_WRITTEN, FaultPoint.RECONCILE_MENDED])
async def test_a_reconcile_killed_anywhere_goes_on_when_it_is_run_again(desk: Desk, at: FaultPoint) -> None:
    manifest = await two_days(desk)
    before = await desk.log()
    await desk.restore()
    assert await desk.killed("reconcile", at) == -signal.SIGKILL
    assert await desk.rows("select former::text from log_identity") == [(manifest.log_id,)]
    done = await desk.reconciled()
    assert done.brought_back == done.position - manifest.position
    assert await desk.log() == before
    keep(Result("`kill -9`", "huchuang reconcile", 1, "run again, it goes on and finishes", ""))
