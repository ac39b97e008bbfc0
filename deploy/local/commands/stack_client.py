"""What commands that talk to a running stack share."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from deploy.local import endpoints
from deploy.local.client import Client
from deploy.local.endpoints import Endpoints
from deploy.local.failures import StackFailed

T = TypeVar("T")


def reachable(data: Path) -> Endpoints:
    """The endpoints of the stack in `data`. Raises StackFailed when none is ready there."""
    found = endpoints.read(data)
    if found is None:
        raise StackFailed(f"no stack is ready in {data.resolve()}; `huchuang up` starts one")
    return found


def with_client(data: Path, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    """Run `work` with a client of the stack in `data`."""

    async def run() -> T:
        async with Client(reachable(data), f"command/{uuid4()}") as client:
            return await work(client)

    return asyncio.run(run())
