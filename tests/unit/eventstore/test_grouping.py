"""Grouped calls: groups grow with load, one poisonous request fails alone, and nobody pays for who went away."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given as every
from hypothesis import settings
from hypothesis import strategies as st

from shared.eventstore.grouping import GROUP_LIMIT, Grouped


class Poisoned(Exception):
    pass


class Broken(Exception):
    pass


class Carrier:
    """Doubles numbers and remembers the groups; raises when a group holds one of `poison` or `broken`."""

    def __init__(self, *, poison: Sequence[int] = (), broken: Sequence[int] = ()) -> None:
        self.groups: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.at_once = self.most_at_once = 0
        self._poison, self._broken = set(poison), set(broken)

    async def __call__(self, requests: Sequence[int]) -> Sequence[int]:
        self.groups.append(list(requests))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.open.wait()
            await asyncio.sleep(0)
        finally:
            self.at_once -= 1
        if self._poison & set(requests):
            raise Poisoned(str(sorted(self._poison & set(requests))))
        if self._broken & set(requests):
            raise Broken
        return [2 * request for request in requests]


async def answers(grouped: Grouped[int, int], numbers: Sequence[int]) -> list[int | BaseException]:
    async with asyncio.timeout(5):
        return await asyncio.gather(*(grouped(number) for number in numbers), return_exceptions=True)


async def test_a_lone_request_waits_for_nobody() -> None:
    carrier = Carrier()
    assert await Grouped(carrier)(21) == 42
    assert carrier.groups == [[21]]


async def test_requests_of_the_same_moment_are_one_group() -> None:
    carrier = Carrier()
    assert await answers(Grouped(carrier, lanes=1), range(10)) == [2 * n for n in range(10)]
    assert carrier.groups == [list(range(10))]


async def asked_one_by_one(grouped: Grouped[int, int], numbers: Sequence[int]) -> list[asyncio.Task[int]]:
    tasks = []
    for number in numbers:
        tasks.append(asyncio.create_task(grouped(number)))
        for _ in range(3):
            await asyncio.sleep(0)
    return tasks


async def test_requests_gather_while_a_group_is_out_and_groups_grow_with_load() -> None:
    carrier = Carrier()
    carrier.open.clear()
    tasks = await asked_one_by_one(Grouped(carrier, patience=60), range(30))
    assert [len(group) for group in carrier.groups] == [1]
    carrier.open.set()
    assert await asyncio.gather(*tasks) == [2 * n for n in range(30)]
    assert [len(group) for group in carrier.groups] == [1, 29]


async def test_a_group_that_stays_out_is_passed_by_as_many_others_as_there_are_lanes() -> None:
    carrier = Carrier()
    carrier.open.clear()
    grouped = Grouped(carrier, lanes=3, patience=0)
    tasks = await asked_one_by_one(grouped, range(10))
    assert [len(group) for group in carrier.groups] == [1, 1, 1]
    carrier.open.set()
    assert await asyncio.gather(*tasks) == [2 * n for n in range(10)]


async def test_who_already_waits_when_a_group_becomes_overdue_passes_it_too() -> None:
    carrier = Carrier()
    carrier.open.clear()
    tasks = await asked_one_by_one(Grouped(carrier, lanes=2, patience=0.01), range(2))
    assert carrier.groups == [[0]]
    async with asyncio.timeout(5):
        while carrier.groups != [[0], [1]]:
            await asyncio.sleep(0.005)
    carrier.open.set()
    assert await asyncio.gather(*tasks) == [0, 2]


async def test_a_group_is_never_larger_than_its_limit_nor_more_at_once_than_its_lanes() -> None:
    carrier = Carrier()
    assert await answers(Grouped(carrier, lanes=3, limit=7, patience=0), range(100)) == [2 * n for n in range(100)]
    assert max(len(group) for group in carrier.groups) == 7
    assert carrier.most_at_once <= 3
    assert GROUP_LIMIT == 32


async def test_a_poisonous_request_is_found_by_halves_and_fails_alone() -> None:
    carrier = Carrier(poison=[5])
    found = await answers(Grouped(carrier, lanes=1, retry=(Poisoned,)), range(16))
    assert [n for n, answer in enumerate(found) if isinstance(answer, Poisoned)] == [5]
    assert [answer for n, answer in enumerate(found) if n != 5] == [2 * n for n in range(16) if n != 5]
    assert [len(group) for group in carrier.groups] == [16, 8, 4, 4, 2, 1, 1, 2, 8]


@settings(max_examples=60, deadline=None)
@every(st.integers(0, 40), st.sets(st.integers(0, 39)), st.integers(1, 3), st.integers(1, 64))
def test_whoever_is_poisonous_fails_and_everyone_else_is_answered_once(
    count: int, poison: set[int], lanes: int, limit: int
) -> None:
    async def run() -> None:
        carrier = Carrier(poison=sorted(poison))
        grouped = Grouped(carrier, lanes=lanes, limit=limit, retry=(Poisoned,))
        for number, answer in enumerate(await answers(grouped, range(count))):
            if number in poison:
                assert isinstance(answer, Poisoned)
            else:
                assert answer == 2 * number

    asyncio.run(run())


async def test_an_error_that_is_not_retried_reaches_its_group_and_the_next_one_is_served() -> None:
    carrier = Carrier(broken=[3])
    grouped = Grouped(carrier, lanes=1, limit=4, retry=(Poisoned,))
    found = await answers(grouped, range(8))
    assert [isinstance(answer, Broken) for answer in found] == [True] * 4 + [False] * 4
    assert carrier.groups == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert await grouped(9) == 18


async def test_a_caller_that_goes_away_harms_nobody() -> None:
    carrier = Carrier()
    carrier.open.clear()
    grouped = Grouped(carrier, lanes=1)
    tasks = [asyncio.create_task(grouped(number)) for number in range(5)]
    for _ in range(3):
        await asyncio.sleep(0)
    assert carrier.groups == [[0, 1, 2, 3, 4]]
    tasks[0].cancel()
    tasks[3].cancel()
    late = asyncio.create_task(grouped(9))
    await asyncio.sleep(0)
    late.cancel()
    carrier.open.set()
    found = await asyncio.gather(*tasks, late, return_exceptions=True)
    assert [isinstance(answer, asyncio.CancelledError) for answer in found] == [True, False, False, True, False, True]
    assert [found[n] for n in (1, 2, 4)] == [2, 4, 8]
    assert await grouped(10) == 20


async def test_a_caller_that_goes_away_while_its_group_is_tried_in_halves_harms_nobody() -> None:
    carrier = Carrier(poison=[0])
    carrier.open.clear()
    grouped = Grouped(carrier, lanes=1, retry=(Poisoned,))
    tasks = [asyncio.create_task(grouped(number)) for number in range(4)]
    for _ in range(3):
        await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[1].cancel()
    carrier.open.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert found[2:] == [4, 6]
    assert await grouped(7) == 14


async def test_lanes_are_free_again_after_whatever_happened() -> None:
    carrier = Carrier(poison=[1], broken=[2])
    grouped = Grouped(carrier, lanes=2, limit=1, patience=0, retry=(Poisoned,))
    for _ in range(5):
        await answers(grouped, [1, 2, 3])
    carrier.most_at_once = 0
    carrier.open.clear()
    tasks = await asked_one_by_one(grouped, [3, 4, 5, 6])
    carrier.open.set()
    assert await asyncio.gather(*tasks) == [6, 8, 10, 12]
    assert carrier.most_at_once == 2


async def test_who_comes_behind_a_stuck_group_after_another_has_passed_it_is_not_stranded() -> None:
    stuck = asyncio.Event()

    async def carry_out(requests: Sequence[int]) -> Sequence[int]:
        if 0 in requests:
            await stuck.wait()
        return [2 * request for request in requests]

    grouped = Grouped(carry_out, patience=0.01)
    first = asyncio.create_task(grouped(0))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(5):
        for number in range(1, 20):
            assert await grouped(number) == 2 * number
    stuck.set()
    assert await first == 0


async def test_a_group_of_which_nobody_knows_what_was_done_is_not_tried_again() -> None:
    carrier = Carrier(broken=[3])
    found = await answers(Grouped(carrier, retry=(Exception,), unless=(Broken,)), range(8))
    assert all(isinstance(answer, Broken) for answer in found)
    assert carrier.groups == [list(range(8))]


async def test_a_carrier_that_answers_too_little_fails_its_callers_and_leaves_none_waiting() -> None:
    async def forgetful(requests: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(0)
        return [2 * request for request in requests[:1]]

    grouped = Grouped(forgetful, lanes=1)
    tasks = [asyncio.create_task(grouped(number)) for number in range(3)]
    done, waiting = await asyncio.wait(tasks, timeout=0.5)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(done) == 3, f"{len(waiting)} callers wait forever"
    assert any(isinstance(task.exception(), ValueError) for task in done)


@pytest.mark.parametrize("lanes", [1, 2])
async def test_many_more_requests_than_a_group_holds_are_all_answered_in_their_own_name(lanes: int) -> None:
    assert await answers(Grouped(Carrier(), lanes=lanes), range(500)) == [2 * n for n in range(500)]
