"""Turns: one at a time under one name, and nothing left behind."""

import asyncio

import pytest

from services.training.turns import Turns


async def test_those_of_one_name_go_one_by_one_and_those_of_others_do_not_wait() -> None:
    turns, inside, most = Turns(), {"a": 0, "b": 0}, {"a": 0, "b": 0}
    both = asyncio.Barrier(2)

    async def go(name: str, meets: bool) -> None:
        async with turns.turn(name):
            inside[name] += 1
            most[name] = max(most[name], inside[name])
            if meets:
                await both.wait()
            await asyncio.sleep(0)
            inside[name] -= 1

    async with asyncio.timeout(2):
        await asyncio.gather(go("a", True), go("b", True), *(go("a", False) for _ in range(20)))
    assert most == {"a": 1, "b": 1}
    assert not turns._queues


async def test_one_who_fails_or_gives_up_lets_the_next_go() -> None:
    turns = Turns()

    async def fail() -> None:
        async with turns.turn("a"):
            raise LookupError

    async def wait() -> None:
        async with turns.turn("a"):
            pass

    async with turns.turn("a"):
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    with pytest.raises(LookupError):
        await fail()
    async with asyncio.timeout(1):
        await wait()
    assert not turns._queues
