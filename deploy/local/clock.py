"""The movable business clock: taken from due time to due time, never past work that is still to be done."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from deploy.local.client import Client
from deploy.local.failures import StackFailed

PATIENCE = 180.0
PAUSE = 0.05


def now_of(progress: dict[str, dict[str, Any]]) -> datetime:
    """The latest of the services' clocks."""
    return max(datetime.fromisoformat(item["clock"]) for item in progress.values())


async def progress_of(client: Client) -> dict[str, dict[str, Any]]:
    """How far each service is."""
    names = list(client.endpoints.services)
    answers = await asyncio.gather(*(client.get("ops", name, "/v1/progress") for name in names))
    return {name: answer.body for name, answer in zip(names, answers, strict=True)}


def unsettled(progress: dict[str, dict[str, Any]]) -> list[str]:
    """What is still to be done, as readable lines; empty when nothing is due, unsequenced or lagging."""
    found = []
    for name, item in progress.items():
        for what in ("unsequenced", "reactions", "operations"):
            if item[what]:
                found.append(f"{name}: {item[what]} {what}")
        found += [
            f"{name}: {follower} at {position} of {item['head']}"
            for follower, position in item["followers"].items()
            if position < item["head"]
        ]
        for source in item["sources"]:
            head, applied = progress[source]["head"], item["applied"].get(source, 0)
            if applied < head:
                found.append(f"{name}: {source} applied to {applied} of {head}")
        if item["next_due"] and datetime.fromisoformat(item["next_due"]) <= datetime.fromisoformat(item["clock"]):
            found.append(f"{name}: a timer is due")
    return found


async def settle(client: Client) -> dict[str, dict[str, Any]]:
    """Wait until nothing is due, unsequenced or lagging, seen twice in a row. Raises StackFailed after 3 minutes."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    seen: dict[str, int] | None = None
    while True:
        progress = await progress_of(client)
        waiting = unsettled(progress)
        heads = {name: item["head"] for name, item in progress.items()}
        if not waiting and heads == seen:
            return progress
        seen = None if waiting else heads
        if asyncio.get_running_loop().time() > deadline:
            raise StackFailed("the stack does not come to rest: " + "; ".join(waiting))
        await asyncio.sleep(PAUSE)


async def advance(client: Client, to: datetime, told: Callable[[datetime], None] = lambda _: None) -> datetime:
    """Take all services to `to`, stopping at each due time on the way; returns where the clock stands."""
    progress = await settle(client)
    while True:
        dues = [datetime.fromisoformat(item["next_due"]) for item in progress.values() if item["next_due"]]
        step = min([to, *(due for due in dues if due <= to)])
        step = max(step, now_of(progress))
        for name in client.endpoints.services:
            await client.post("ops", name, "/v1/sandbox/clock", {"to": step.isoformat()}, step=f"clock/{step}")
        told(step)
        progress = await settle(client)
        if step >= to:
            return step
