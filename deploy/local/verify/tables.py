"""The live tables beside the log: limits and inline rows are what the events say, in every service."""

import asyncio

from deploy.local.client import Client
from deploy.local.settings import SERVICES
from deploy.local.verify.findings import Checked


async def check_tables(client: Client) -> Checked:
    """Every limit and inline row made again from the events, compared with the live one."""
    answers = await asyncio.gather(*(client.get("ops", name, "/v1/projections/differences") for name in SERVICES))
    findings = [
        f"{name} {item['table']} {item['scope']} {item['key']}：表中为 {item['live']}，事件为 {item['expected']}"
        for name, answer in zip(SERVICES, answers, strict=True)
        for item in answer.body["items"]
    ]
    return Checked("表与事件一致", "各服务的限额与内联行", findings)
