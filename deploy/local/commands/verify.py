"""`huchuang verify`: a claim, a service's log, or everything that must always hold."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.local import settings
from deploy.local.client import Client
from deploy.local.clock import settle
from deploy.local.commands.options import DEFAULT_DATA, Data
from deploy.local.commands.stack_client import with_client
from deploy.local.failures import StackFailed
from deploy.local.histories import compare, read_stores
from deploy.local.settings import SERVICES
from deploy.local.verify.facts import check_facts
from deploy.local.verify.findings import Checked
from deploy.local.verify.invariants import check_ends, check_histories, check_money, check_once, check_whitelist
from deploy.local.verify.logs import check_log, prove
from deploy.local.verify.messages import check_messages
from deploy.local.verify.payments import check_payments
from deploy.local.verify.positions import check_positions
from deploy.local.verify.privacy import check_privacy
from deploy.local.verify.tables import check_tables
from deploy.local.verify.webhooks import check_webhooks


def verify_command(
    target: Annotated[str | None, typer.Argument(metavar="CLAIM_ID|SERVICE")] = None,
    data: Data = DEFAULT_DATA,
    everything: Annotated[bool, typer.Option("--all", help="All invariants, for the whole stack.")] = False,
) -> None:
    """Check a claim's histories and proofs, a service's log, or with --all everything that must always hold."""
    if everything == (target is not None):
        raise typer.BadParameter("say a claim's id, a service's name, or --all")
    checks = with_client(data, lambda client: _checks(client, data, target))
    console = Console(highlight=False)
    for check in checks:
        mark = "[red]✗[/red]" if check.findings else "[green]✓[/green]"
        console.print(f"{mark} {check.name}　{check.looked_at}")
        for finding in check.findings:
            console.print(f"    {finding}")
    if any(check.findings for check in checks):
        raise StackFailed("what must hold does not hold")


async def _checks(client: Client, data: Path, target: str | None) -> list[Checked]:
    if target is None:
        return await all_checks(client, data)
    if target in SERVICES:
        stored = await read_stores(client)
        return [await check_log(client, target, [item for item in stored if item.service == target])]
    return await _claim(client, target)


async def all_checks(client: Client, data: Path) -> list[Checked]:
    """What must always hold, and what it rests on, on a stack that has come to rest."""
    await settle(client)
    await asyncio.sleep(1.2)  # heads are signed once a second
    databases = settings.read(data).databases
    stored = await read_stores(client)
    subsidy = [item for item in stored if item.service == "subsidy"]
    loans = [item for item in stored if item.service == "loans"]
    notify = [item for item in stored if item.service == "notify"]
    logs = [await check_log(client, name, [item for item in stored if item.service == name]) for name in SERVICES]
    return [
        check_once(subsidy),
        await check_money(client, subsidy),
        check_payments(subsidy),
        Checked("三 不丢不重", f"{len(stored)} 个事件", [f"{c.name}：{f}" for c in logs for f in c.findings]),
        await check_histories(client, subsidy),
        await check_whitelist(client, loans),
        await check_tables(client),
        await check_positions(databases),
        await check_facts(databases, stored),
        check_messages(stored),
        await check_webhooks(client, data, notify),
        await check_privacy(client, data),
        await check_ends(client),
    ]


async def _claim(client: Client, claim_id: str) -> list[Checked]:
    compared = (await compare(client, [claim_id]))[0]
    stored = [item for item in await read_stores(client) if item.service == "subsidy"]
    proofs = prove(stored, claim_id)
    broken = [f"位置 {proof['position']} 的包含性证明不成立" for proof in proofs if not proof["holds"]]
    log = await check_log(client, "subsidy", stored)
    return [
        Checked("历史", "Kafka、事件库、档案与服务", list(compared.findings)),
        Checked("证明", f"{len(proofs)} 个事件各有包含性证明", broken),
        log,
    ]
