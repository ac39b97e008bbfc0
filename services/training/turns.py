"""Commands on one busy stream take turns within a process, instead of losing to each other over and over.

Correctness never rests on this: the store compares versions, whatever process writes. It spares a class of two hundred
that enrols at once, or an evaluator that issues a whole class's certificates, the twelve attempts of `Contended`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request


class Turns:
    """One queue per name; a queue that nobody waits in is forgotten."""

    def __init__(self) -> None:
        self._queues: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        lock, waiting = self._queues.get(name, (asyncio.Lock(), 0))
        self._queues[name] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._queues[name]
            if waiting == 1:
                del self._queues[name]
            else:
                self._queues[name] = (lock, waiting - 1)


def turns_of(request: Request) -> Turns:
    turns: Turns | None = getattr(request.app.state, "turns", None)
    if turns is None:
        turns = request.app.state.turns = Turns()
    return turns
