"""A service's database is restored from an older backup in the middle of a demo: refused, reconciled, and all holds."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import asyncpg
import httpx
import pytest

from deploy.local import settings
from deploy.local.endpoints import Endpoints
from shared.recovery.identity import RESTORED
from tests.e2e.stories import run_demo
from tests.faults.campaign import holds
from tests.faults.conftest import WarmStack
from tests.faults.report import Result, keep

pytestmark = pytest.mark.stack

FOUNDERS = 12
PATIENCE = 60.0


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


async def restored_and_reconciled(directory: Path, endpoints: Endpoints, service: str, file: Path) -> str:
    """Restore the backup, see that it is refused, reconcile; returns what reconcile said."""
    said = await huchuang(directory, "restore", service, str(file))
    assert f"huchuang reconcile {service}" in said
    await until_refused(endpoints, service)
    assert f"run huchuang reconcile {service}" in await huchuang(directory, "status", code=1)
    return await huchuang(directory, "reconcile", service)


async def a_demo_with_a_restore(service: str, behind: int, directory: Path, endpoints: Endpoints) -> str:
    """Back up when a service has some events, restore when it has as many more, while the demo goes on."""
    demo = asyncio.create_task(run_demo(endpoints, directory, FOUNDERS))
    file = directory / "older.tar"
    await until_longer(directory, service, behind, demo)
    await huchuang(directory, "backup", service, "--to", str(file))
    await until_longer(directory, service, await length(directory, service) + behind, demo)
    said = await restored_and_reconciled(directory, endpoints, service, file)
    await holds(endpoints, directory, await demo)
    return said


async def test_subsidy_is_restored_from_an_older_backup_in_mid_demo(warm_stack: WarmStack) -> None:
    directory, endpoints = warm_stack()
    said = await a_demo_with_a_restore("subsidy", 20, directory, endpoints)
    assert "from the database put aside" in said
    outcome = "refused until reconciled; the events behind the backup brought back, the demo went on; all holds"
    keep(Result("older backup restored in mid-demo", "subsidy", 1, outcome, ""))
