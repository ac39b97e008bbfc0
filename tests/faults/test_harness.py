"""The harness can fail: it ends where a service is gone, says so, and counts only what was really made."""

import asyncio
import random
import signal
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.local import processes, state
from deploy.local.state import PartState, StackState
from tests.faults import between, fire
from tests.faults.between import away
from tests.faults.fire import Target, under_fire
from tests.faults.meanwhile import meanwhile
from tests.faults.proxy import Trouble, proxied
from tests.faults.test_frozen_and_taken_over import coming_and_going

AWAY = (Trouble("cut"), Trouble("half-open"))


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """A service that is down and does not come back."""
    monkeypatch.setattr(fire, "DISARM_SECONDS", 0.3)
    return Target(tmp_path, "subsidy")


async def test_a_service_that_never_looks_is_named(gone: Target) -> None:
    with pytest.raises(ExceptionGroup) as failed:
        async with under_fire([gone], "seed", "kill", 1):
            pass
    [why] = failed.value.exceptions
    assert str(why).startswith("subsidy has not looked at")


async def test_what_cannot_be_disarmed_does_not_hide_the_first_failure(gone: Target) -> None:
    with pytest.raises(ValueError, match="the first") as failed:
        async with under_fire([gone], "seed", "kill", 1):
            raise ValueError("the first")
    [note] = failed.value.__notes__
    assert note.startswith("subsidy has not looked at")


def running_in(directory: Path, pid: int) -> None:
    """As its supervisor would say it of a service that is ready."""
    own, born = processes.born(pid), processes.born(pid)
    part = PartState(name="subsidy", log="", pid=pid, born=born, ready=True)
    assert own is not None
    state.write(StackState(pid=pid, born=own, started_at=datetime.now(UTC), parts={"subsidy": part}), directory)


async def test_a_signal_counts_when_somebody_got_it(gone: Target, tmp_path: Path) -> None:
    assert not gone.send(signal.SIGTERM)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(60)")
    running_in(tmp_path, process.pid)
    assert gone.send(signal.SIGKILL)
    await process.wait()
    assert not gone.send(signal.SIGKILL)


async def test_nobody_comes_and_goes_where_nobody_is(gone: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.test_frozen_and_taken_over.STAY_SECONDS", 0.01)
    async with coming_and_going([gone], random.Random(1)) as ended:
        await asyncio.sleep(0.2)
    assert ended.total() == 0


async def test_a_broker_is_away_only_while_the_demo_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(between, "BEFORE_SECONDS", 0.1)
    async with proxied(9) as proxy:
        long = asyncio.create_task(asyncio.sleep(60))
        assert await away(proxy, AWAY, 0.01, long) == {"cut": 1, "half-open": 1}
        long.cancel()
        short = asyncio.create_task(asyncio.sleep(0.15))
        with pytest.raises(AssertionError, match="the demo was over before the trouble half-open"):
            await away(proxy, AWAY, 0.1, short)


async def test_a_fault_that_breaks_off_is_an_error() -> None:
    async def breaks(made: Counter[str]) -> None:
        made["once"] += 1
        raise OSError("no such device")

    with pytest.raises(AssertionError, match="no such device"):
        async with meanwhile(breaks):
            await asyncio.sleep(0.05)
