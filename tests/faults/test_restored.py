"""A service's database is restored from an older backup in the middle of a demo: refused, reconciled, and all holds."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import asyncpg
import httpx
import pytest

from deploy.local import plan, restoring, settings
from deploy.local.backups import back_up
from deploy.local.endpoints import Endpoints
from shared.recovery.identity import RESTORED
from tests.e2e.stories import run_demo
from tests.faults.campaign import holds
from tests.faults.conftest import WarmStack
from tests.faults.report import Result, keep

pytestmark = pytest.mark.stack

FOUNDERS = 16
PATIENCE = 60.0
OUTCOME = "refused until reconciled; what was lost came back, nothing was done twice; all holds"


async def huchuang(directory: Path, *arguments: str, code: int = 0) -> str:
    """What the command says; it ends with `code`."""
    command = [sys.executable, "-m", "deploy.local.cli", *arguments, "--data", str(directory)]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
    async with asyncio.timeout(PATIENCE):
        said = (await process.communicate())[0].decode()
    assert process.returncode == code, said
    return said


async def length(directory: Path, service: str) -> int:
    """How many events a service has."""
    connection = await asyncpg.connect(settings.read(directory).databases[service])
    try:
        found: int = await connection.fetchval("select position from log_head")
    finally:
        await connection.close()
    return found


async def until_longer(directory: Path, service: str, than: int, working: asyncio.Task[object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while await length(directory, service) <= than:
            assert not working.done(), "the demo ended before anything was restored"
            await asyncio.sleep(0.1)


async def until_refused(endpoints: Endpoints, service: str) -> None:
    """The service has noticed, says so at /readyz, and answers nothing else."""
    url = endpoints.services[service]
    async with httpx.AsyncClient(trust_env=False) as http, asyncio.timeout(PATIENCE):
        while True:
            try:
                said = (await http.get(f"{url}/readyz")).json()
                if said["status"] == RESTORED:
                    break
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
        assert said["checks"]["log"] == f"restored from a backup: run huchuang reconcile {service}"
        for answer in (await http.post(f"{url}/v1/anything", json={}), await http.get(f"{url}/v1/progress")):
            assert (answer.status_code, answer.json()["code"]) == (503, RESTORED)
            assert f"huchuang reconcile {service}" in answer.json()["detail"]


async def restored_and_reconciled(
    directory: Path, endpoints: Endpoints, service: str, file: Path, *, aside: bool = True
) -> str:
    """Restore the backup, see that it is refused, reconcile; returns what reconcile said.

    `aside`: whether the database that was there can still be read.
    """
    stack = settings.read(directory)
    await restoring.restore(plan.admin_of(directory, stack), stack.databases[service], service, file)
    await until_refused(endpoints, service)
    assert f"run huchuang reconcile {service}" in await huchuang(directory, "status", code=1)
    assert f"restored from a backup: {service}" in await huchuang(directory, "doctor")
    if not aside:
        await forget_aside(directory, service)
    return await huchuang(directory, "reconcile", service)


async def forget_aside(directory: Path, service: str) -> None:
    """Drop what a restore has put aside: the disk is gone."""
    stack = settings.read(directory)
    admin = await asyncpg.connect(plan.admin_of(directory, stack))
    for dsn in await restoring.asides(stack.databases[service]):
        await admin.execute(f'drop database "{dsn.rpartition("/")[2]}" with (force)')
    await admin.close()


async def a_demo_with_a_restore(
    service: str, behind: int, directory: Path, endpoints: Endpoints, *, aside: bool = True
) -> str:
    """Back up when a service has some events, restore when it has as many more, while the demo goes on."""
    demo = asyncio.create_task(run_demo(endpoints, directory, FOUNDERS))
    file = directory / "older.tar"
    await until_longer(directory, service, behind, demo)
    await back_up(settings.read(directory).databases[service], service, file)
    await until_longer(directory, service, await length(directory, service) + behind, demo)
    said = await restored_and_reconciled(directory, endpoints, service, file, aside=aside)
    await holds(endpoints, directory, await demo)
    return said


async def test_subsidy_is_restored_from_an_older_backup_in_mid_demo(warm_stack: WarmStack) -> None:
    directory, endpoints = warm_stack()
    said = await a_demo_with_a_restore("subsidy", 10, directory, endpoints)
    assert "from the database put aside" in said
    keep(Result("older backup restored in mid-demo", "subsidy", 1, OUTCOME, ""))


@pytest.mark.full
async def test_registry_is_restored_in_mid_demo_as_well(warm_stack: WarmStack) -> None:
    directory, endpoints = warm_stack()
    await a_demo_with_a_restore("registry", 10, directory, endpoints)
    keep(Result("older backup restored in mid-demo", "registry", 1, OUTCOME, ""))


@pytest.mark.full
async def test_nobody_is_told_anything_twice_when_the_old_database_is_gone(warm_stack: WarmStack) -> None:
    directory, endpoints = warm_stack()
    said = await a_demo_with_a_restore("notify", 20, directory, endpoints, aside=False)
    assert "no database put aside was of use" in said
    assert "keys of" not in said
    keep(Result("older backup restored, the old database gone", "notify", 1, OUTCOME, ""))


@pytest.mark.full
async def test_audit_is_restored_and_hears_everything_again(warm_stack: WarmStack) -> None:
    directory, endpoints = warm_stack()
    await run_demo(endpoints, directory, 3)
    file = directory / "older.tar"
    await back_up(settings.read(directory).databases["audit"], "audit", file)
    outcome = await run_demo(endpoints, directory, 3)
    await restored_and_reconciled(directory, endpoints, "audit", file, aside=False)
    await holds(endpoints, directory, outcome)
    keep(Result("older backup restored, the old database gone", "audit", 1, OUTCOME, ""))
