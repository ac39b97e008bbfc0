"""Facts that may still be on their way: the owner is asked before anything is called unknown."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Request

from shared.eventstore.needs import Fact, Needs, fact_of
from shared.eventstore.store import Store
from shared.web.peers import Peers, PeerUnavailable
from shared.web.problem import Problem

F = TypeVar("F", bound=Fact)

PATIENCE = 3.0
PAUSE = 0.05


async def known(
    request: Request,
    kind: type[F],
    key: str,
    owner: str,
    path: str,
    *,
    enough: Callable[[F], bool] = lambda fact: True,
    told: Callable[[Any], bool] = lambda body: True,
) -> F | None:
    """The fact under `(kind, key)`, or None when its owner does not know it either.

    `enough` says whether what we hold answers the question, `told` whether the owner's answer at `path` does. When
    only the owner can answer, its event is waited for. Raises a 503 when it does not arrive in `PATIENCE` seconds, or
    the owner cannot be asked.
    """
    store: Store = request.app.state.store
    fact = await _look(store, kind, key)
    if fact is not None and enough(fact):
        return fact
    peers: Peers = request.app.state.peers
    try:
        body = await peers.get(owner, path)
    except PeerUnavailable:
        raise _later("owner_unavailable", "暂时无法核对所引用的信息，请稍后重试") from None
    if body is None or not told(body):
        return None
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(PAUSE)
        fact = await _look(store, kind, key)
        if fact is not None and enough(fact):
            return fact
    raise _later("fact_pending", "所引用的信息刚刚登记，尚未到达，请稍后重试")


async def _look(store: Store, kind: type[F], key: str) -> F | None:
    return (await store.look(Needs(facts=(fact_of(kind, key),)))).fact(kind, key)


def _later(code: str, detail: str) -> Problem:
    return Problem(503, code, detail, headers={"Retry-After": "1"})
