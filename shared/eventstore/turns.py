"""Turns: commands that collided on a stream go one after the other, instead of colliding again."""

import asyncio
from weakref import WeakValueDictionary


class Turns:
    """Who may touch a contended stream next, within this process.

    A command takes a turn only after it has lost a stream once, so commands that do not meet never wait. Those that
    do are then carried out in the order in which they lost, each on a fresh load.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def lock(self, stream: str) -> asyncio.Lock:
        lock = self._locks.get(stream)
        if lock is None:
            lock = self._locks[stream] = asyncio.Lock()
        return lock


class HeldTurns:
    """The turns of one command, given back at its end.

    They are taken in the order of stream ids: one that would come before a held one gives all back first.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._held: dict[str, asyncio.Lock] = {}

    async def take(self, stream: str) -> None:
        if stream in self._held:
            return
        wanted = sorted({*self._held, stream})
        if wanted[-1] != stream:
            self.give_back()
        for name in wanted:
            if name not in self._held:
                lock = self._turns.lock(name)
                await lock.acquire()
                self._held[name] = lock

    def give_back(self) -> None:
        for lock in self._held.values():
            lock.release()
        self._held.clear()
