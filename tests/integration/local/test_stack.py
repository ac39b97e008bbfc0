"""The whole stack, with pretended services: it starts, heals, moves, and leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest

from deploy.local import endpoints, owner, processes, settings, stack, state
from deploy.local.failures import StackFailed
from deploy.local.plan import StackOptions
from deploy.local.settings import SERVICES
from deploy.local.state import PartState, StackState

pytestmark = pytest.mark.stack
Options = Callable[..., StackOptions]
PATIENCE = 60


ATTACHED = """
import pathlib, sys, time
import msgspec
from deploy.local import stack
from deploy.local.plan import StackOptions
stack.up(pathlib.Path(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=StackOptions), attached=True)
print("up", flush=True)
time.sleep(600)
"""


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


def now(directory: Path) -> StackState:
    running = state.running(directory)
    assert running is not None
    return running


def healthy(directory: Path, name: str, other_than: int) -> PartState | None:
    part = now(directory).parts[name]
    return part if part.ready and part.pid != other_than else None


def kill(part: PartState) -> int:
    assert part.pid is not None
    os.kill(part.pid, signal.SIGKILL)
    return part.pid


def test_a_stack_is_there_when_up_returns_and_gone_after_down(directory: Path, options: Options) -> None:
    seen: list[StackState] = []
    found = stack.up(directory, options(), progress=seen.append)
    for url in found.services.values():
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == httpx.codes.OK
    assert endpoints.read(directory) == found
    assert set(now(directory).parts) == {"postgres", "broker", *SERVICES}
    pids = [part.pid for part in now(directory).parts.values()]
    assert seen[0].phase == "starting"
    assert stack.down(directory)
    assert endpoints.read(directory) is None
    assert state.running(directory) is None
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)
    assert not stack.down(directory)
    assert not (directory / "postgres" / "postmaster.pid").exists()
    assert "registry has ended cleanly" in (directory / "logs" / "registry.log").read_text()


def test_up_on_a_running_stack_changes_nothing(directory: Path, options: Options) -> None:
    found = stack.up(directory, options())
    before = now(directory)
    assert stack.up(directory, StackOptions()) == found
    assert now(directory).pid == before.pid
    said = subprocess.run(
        [sys.executable, "-m", "deploy.local.cli", "up", "--data", str(directory)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "already running" in said.stdout


def test_whatever_is_killed_comes_back(directory: Path, options: Options) -> None:
    stack.up(directory, options())
    for name in ("subsidy", "broker", "postgres"):
        pid = kill(now(directory).parts[name])
        wait_for(lambda name=name, pid=pid: healthy(directory, name, pid) is not None)  # type: ignore[misc]
        assert now(directory).parts[name].restarts >= 1
        assert now(directory).phase == "ready"
    restarts = {name: part.restarts for name, part in now(directory).parts.items()}
    assert restarts["registry"] == 0


def test_a_killed_supervisor_takes_its_children_along_and_the_next_start_heals(
    directory: Path, options: Options
) -> None:
    stack.up(directory, options())
    before = now(directory)
    born = [(part.pid, part.born) for part in before.parts.values() if part.pid and part.born]
    os.kill(before.pid, signal.SIGKILL)
    wait_for(lambda: not any(processes.is_running(pid, born) for pid, born in born))
    stack.up(directory, options())
    assert now(directory).pid != before.pid


def test_a_taken_port_moves_all_and_a_free_one_is_kept(directory: Path, options: Options) -> None:
    wanted = options()
    stack.up(directory, wanted)
    first = settings.read(directory)
    stack.down(directory)
    stack.up(directory, options(port_base=None))
    assert settings.read(directory).services == first.services
    stack.down(directory)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(first.address("loans"))
        squatter.listen()
        moved = stack.up(directory, wanted).services
    assert set(moved.values()).isdisjoint(first.services.values())


def test_what_does_not_start_is_shown_with_its_last_words(directory: Path, options: Options) -> None:
    broken = (sys.executable, "-c", "import sys; sys.exit('the ledger is on fire')")
    with pytest.raises(StackFailed, match=r"(?s)does not start.*the ledger is on fire"):
        stack.up(directory, options(service_command=broken))
    assert state.running(directory) is None
    assert endpoints.read(directory) is None
    with pytest.raises(StackFailed, match=r"127\.0\.0\.1:9 "):
        stack.up(directory, options(broker="127.0.0.1:9"))


def test_fresh_forgets_all_but_what_is_not_ours(directory: Path, options: Options) -> None:
    stack.up(directory, options())
    password = settings.read(directory).databases["audit"]
    (directory / "of the user").write_text("stays")
    stack.up(directory, options(fresh=True))
    assert settings.read(directory).databases["audit"] != password
    assert (directory / "of the user").read_text() == "stays"


def test_status_tells_a_program_what_runs(directory: Path, options: Options) -> None:
    command = [sys.executable, "-m", "deploy.local.cli", "status", "--json", "--data", str(directory)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
    stack.up(directory, options())
    said = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert said["phase"] == "ready"
    assert {part["part"]: part["ready"] for part in said["parts"]}["audit"] is True


def test_an_attached_stack_ends_with_who_started_it(directory: Path, options: Options) -> None:
    given = msgspec.json.encode(options()).decode()
    starter = subprocess.Popen([sys.executable, "-c", ATTACHED, str(directory), given], stdout=subprocess.PIPE)
    with starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"up\n"
        supervisor = now(directory)
        starter.kill()
    wait_for(lambda: not processes.is_running(supervisor.pid, supervisor.born))
    last = state.read(directory)
    assert last is not None
    assert last.phase == "stopped"


def test_a_stack_ends_with_the_process_that_owns_it(
    directory: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    owning = subprocess.Popen(["sleep", "600"])
    monkeypatch.setenv(owner.VARIABLE, owner.name_of(owning.pid))
    stack.up(directory, options())
    pids = [part.pid for part in now(directory).parts.values()]
    time.sleep(2 * owner.LOOK_SECONDS)
    assert now(directory).phase == "ready"
    owning.kill()
    owning.wait()
    wait_for(lambda: state.running(directory) is None)
    ended = state.read(directory)
    assert ended is not None
    assert ended.phase == "stopped"
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)


def test_a_later_process_with_the_owner_s_number_is_not_the_owner(
    directory: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(owner.VARIABLE, f"{os.getpid()} 1.0")
    with pytest.raises(StackFailed):
        stack.up(directory, options())
