"""Facts that may not have arrived yet: never a false "unknown"."""

import asyncio

from fastapi import Request

from shared.eventstore.needs import Fact, Needs, fact_of
from shared.web.command import store_of
from shared.web.peers import PeerUnavailable
from shared.web.problem import Problem, invalid_field

PATIENCE = 3.0
PAUSE = 0.05


async def ensure_known(
    request: Request, kind: type[Fact], key: str, *, owner: str, path: str, pointer: str, what: str
) -> None:
    """Return once the fact is here.

    When it is missing, its owner is asked once at `path`. Raises a 422 about the field at `pointer` when the owner
    does not know it either, and a 503 when the owner is away or its event has not come within `PATIENCE` seconds.
    """
    store = store_of(request)
    needs = Needs(facts=(fact_of(kind, key),))
    if (await store.look(needs)).fact(kind, key) is not None:
        return
    try:
        found = await request.app.state.peers.get(owner, path)
    except PeerUnavailable:
        raise _pending(what) from None
    if found is None:
        raise invalid_field(pointer, "unknown_id", f"没有找到这个{what}")
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(PAUSE)
        if (await store.look(needs)).fact(kind, key) is not None:
            return
    raise _pending(what)


def _pending(what: str) -> Problem:
    return Problem(503, "fact_pending", f"{what}的登记信息尚未到达，请稍后重试", headers={"Retry-After": "2"})
