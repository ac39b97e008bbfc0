"""A supervised part is kept running, whatever the disk says."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from pathlib import Path

import psutil
import pytest

from deploy.local import processes, state
from deploy.local.parts import Part
from deploy.local.plan import StackOptions
from deploy.local.processes import Program
from deploy.local.secrets import write_private
from deploy.local.state import PartState
from deploy.local.supervisor import Supervisor

SLEEPING = (sys.executable, "-c", "import time; time.sleep(600)")


async def test_a_part_whose_start_finds_no_room_is_started_again(tmp_path: Path) -> None:
    asked = 0

    async def program() -> Program:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise OSError(28, "No space left on device")
        return Program(name="sleeper", argv=SLEEPING, log=tmp_path / "log")

    async def at_once(_: Process) -> None:
        return

    part = Part(PartState(name="sleeper", log=""), program, at_once, lambda: None)
    await part.start()
    try:
        assert part.state.pid is not None
        os.kill(part.state.pid, 9)
        async with asyncio.timeout(30):
            while asked < 3 or not part.state.ready:
                await asyncio.sleep(0.01)
        assert part.state.restarts == 2
    finally:
        await part.stop()


async def test_a_part_that_cannot_be_looked_at_is_ended_before_it_is_started_again(tmp_path: Path) -> None:
    looked: list[Process] = []

    async def program() -> Program:
        return Program(name="sleeper", argv=SLEEPING, log=tmp_path / "log")

    async def without_files(process: Process) -> None:
        looked.append(process)
        if len(looked) == 1:
            raise OSError(24, "Too many open files")

    part = Part(PartState(name="sleeper", log=""), program, without_files, lambda: None)
    await part.start()
    try:
        assert [process.returncode is None for process in looked] == [False, True]
    finally:
        await part.stop()


def test_a_process_is_the_same_whatever_the_clock_is_set_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """psutil tells the start of a process by the wall clock, of which Linux says that the machine started before it."""
    own = processes.born(os.getpid())
    assert own is not None
    created, booted = psutil.Process().create_time(), psutil.boot_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: created + 3600)
    monkeypatch.setattr(psutil, "boot_time", lambda: booted + 3600)
    assert processes.is_running(os.getpid(), own)


async def test_a_supervisor_writes_its_state_as_soon_as_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.supervisor.WRITE_AGAIN_SECONDS", 0.01)
    place = tmp_path / "place"
    place.write_text("no directory")
    supervisor = Supervisor(place, StackOptions())
    supervisor._say("ready")
    place.unlink()
    async with asyncio.timeout(10):
        while (written := state.read(place)) is None:
            await asyncio.sleep(0.01)
    assert written.phase == "ready"


def test_a_file_that_cannot_be_written_leaves_no_half_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_private(tmp_path / "file", b"whole")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(tmp_path / "file", b"half")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("file", b"whole")]
