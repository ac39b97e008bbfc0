"""Disks that are full. PostgreSQL's: what cannot be kept is refused with 503, and done when there is room.
That of logs and traces: lines are lost, and nothing else.

The disk is a small one in memory, which needs root; without, this is skipped.
"""

import asyncio
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from deploy.local import stack
from deploy.local.endpoints import Endpoints
from deploy.local.plan import StackOptions
from shared.testing.city import City
from tests.e2e.stories import run_demo
from tests.faults import warm
from tests.faults.campaign import holds
from tests.faults.conftest import WarmStack
from tests.faults.meanwhile import meanwhile
from tests.faults.report import Result, keep

pytestmark = [pytest.mark.stack, pytest.mark.full]

FOUNDERS = 12
ROOM = 160 * 1024 * 1024
"""Bytes beside what the databases take at first."""
FULL_SECONDS, FREE_SECONDS = 6.0, 6.0
BEGUN_SECONDS = 1.0
"""How long a demo has gone on when the disk is full for the first time."""
CHUNK = 4096
"""Bytes of a block of the disk."""


@contextmanager
def small_disk(data: Path, room: int = ROOM) -> Iterator[None]:
    """Put a directory onto a disk of its own that has room for so many bytes more."""
    owner = data.stat()
    used = sum(-(-file.stat().st_size // CHUNK) * CHUNK for file in data.rglob("*") if file.is_file())
    before = data.with_name("before")
    data.rename(before)
    data.mkdir()
    options = f"size={used + room},uid={owner.st_uid},gid={owner.st_gid},mode=700"
    if os.geteuid() != 0:
        pytest.skip("a disk in memory cannot be mounted here")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(data)], check=False)
    if mounted.returncode != 0:
        pytest.skip("a disk in memory cannot be mounted here")
    try:
        subprocess.run(["cp", "-a", f"{before}/.", str(data)], check=True)
        shutil.rmtree(before)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(data)], check=True)


def fill(ballast: Path) -> None:
    """Leave no block of its disk."""
    with ballast.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(CHUNK))


def room(directory: Path) -> dict[str, int]:
    """Bytes that logs and traces still have; what is written where there are none is lost."""
    return {name: shutil.disk_usage(directory / name).free for name in ("logs", "traces")}


@asynccontextmanager
async def filled_again_and_again(disk: Path) -> AsyncIterator[Counter[str]]:
    """Fill the disk to its last block, and make room again after a while; yields how often."""
    ballast = disk / "ballast"

    async def go_on(made: Counter[str]) -> None:
        while True:
            await asyncio.sleep(FREE_SECONDS if made else BEGUN_SECONDS)
            try:
                async with asyncio.timeout(FULL_SECONDS):
                    await asyncio.to_thread(fill, ballast)
                    made["filled"] += 1
                    while True:  # what PostgreSQL gives back is taken as well
                        await asyncio.sleep(0.05)
                        await asyncio.to_thread(fill, ballast)
            except TimeoutError:
                ballast.unlink()

    try:
        async with meanwhile(go_on) as made:
            yield made
    finally:
        ballast.unlink(missing_ok=True)


async def registrations(endpoints: Endpoints, over: asyncio.Event) -> Counter[int]:
    """Register people, each until it is done, under one key; returns how often each status was answered."""
    seen: Counter[int] = Counter()
    people = City(7, 99, 400).founders
    headers = {"authorization": f"Bearer {endpoints.tokens['app']}"}
    async with httpx.AsyncClient(trust_env=False, timeout=20.0, headers=headers) as http:
        for founder in people:
            person, key = founder.person, str(uuid4())
            body = {"name": person.name, "identity_number": person.identity_number, "mobile": person.mobile}
            while not over.is_set():
                answer = await http.post(
                    f"{endpoints.services['registry']}/v1/persons",
                    json={**body, "categories": [category.value for category in person.categories]},
                    headers={"idempotency-key": key},
                )
                seen[answer.status_code] += 1
                await asyncio.sleep(0.2)
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    break
    return seen


async def test_a_full_disk_refuses_clearly_and_changes_no_figure(warm_stack: WarmStack, seed: str) -> None:
    directory, _ = warm_stack()
    stack.down(directory)
    with small_disk(directory / "postgres"):
        try:
            endpoints = warm.up(directory, StackOptions())
            over = asyncio.Event()
            registering = asyncio.create_task(registrations(endpoints, over))
            async with filled_again_and_again(directory / "postgres") as filled:
                outcome = await run_demo(endpoints, directory, FOUNDERS)
            over.set()
            seen = await registering
            await holds(endpoints, directory, outcome)
        finally:
            stack.down(directory)
    assert filled.total() > 0
    assert seen.keys() == {httpx.codes.CREATED, httpx.codes.SERVICE_UNAVAILABLE}
    outcome_told = "refused with 503, nothing half done, goes on when there is room; all holds"
    keep(Result("disk full for 6 s", "postgres", filled.total(), outcome_told, seed))


async def test_logs_and_traces_without_room_change_no_figure(warm_stack: WarmStack, seed: str) -> None:
    directory, endpoints = warm_stack()
    stack.down(directory)
    with small_disk(directory / "logs", CHUNK), small_disk(directory / "traces", CHUNK):
        try:
            fill(directory / "logs" / "ballast")
            fill(directory / "traces" / "ballast")
            assert room(directory) == {"logs": 0, "traces": 0}
            endpoints = warm.up(directory, StackOptions())
            await holds(endpoints, directory, await run_demo(endpoints, directory, FOUNDERS))
            assert room(directory) == {"logs": 0, "traces": 0}
        finally:
            stack.down(directory)
    keep(Result("disk full", "logs and traces of all parts", 1, "lines are lost; all holds", seed))
