"""Group commit: concurrent calls are gathered into one round trip."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
R = TypeVar("R")

GROUP_LIMIT = 32
"""Half of what comes at once under load, so that one half is decided while the other is at the database."""
PATIENCE = 0.02
"""Seconds after which a group that is out no longer keeps others waiting."""


class Grouped(Generic[Q, R]):
    """Calls `carry_out` with up to `limit` requests at a time: one group at a time, as long as groups come back soon.

    While a group is out, requests gather; so groups grow with load and a lone request waits for nobody. A group that
    stays out, behind somebody's lock, is passed by up to `lanes` - 1 others. (Always two at a time was slower by a
    fifth: groups half as large, and as many round trips more.)
    `carry_out` answers in the order of its requests. When it raises one of `retry`, the group is tried again in halves,
    so one poisonous request fails alone; but not for one of `unless`, after which nobody knows what was done. A caller
    that goes away does not cancel the group.
    """

    def __init__(
        self,
        carry_out: Callable[[Sequence[Q]], Awaitable[Sequence[R]]],
        *,
        lanes: int = 4,
        limit: int = GROUP_LIMIT,
        patience: float = PATIENCE,
        retry: tuple[type[Exception], ...] = (),
        unless: tuple[type[Exception], ...] = (),
    ) -> None:
        self._carry_out = carry_out
        self._limit = limit
        self._lanes = lanes
        self._patience = patience
        self._retry = retry
        self._unless = unless
        self._waiting: deque[tuple[Q, asyncio.Future[R]]] = deque()
        self._working: set[asyncio.Task[None]] = set()
        self._prompt: set[asyncio.Task[None] | None] = set()
        """The lanes whose group has not been out for longer than `patience`."""

    async def __call__(self, request: Q) -> R:
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if not self._prompt:
            self._open_lane()
        return await future

    def _open_lane(self) -> None:
        if self._waiting and len(self._working) < self._lanes:
            task = asyncio.create_task(self._lane())
            self._working.add(task)
            self._prompt.add(task)
            task.add_done_callback(self._close_lane)

    def _close_lane(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        self._is_overdue(task)

    def _is_overdue(self, lane: asyncio.Task[None] | None) -> None:
        """Somebody must be there for those who wait whose group may still come back soon."""
        self._prompt.discard(lane)
        if not self._prompt:
            self._open_lane()

    async def _lane(self) -> None:
        me = asyncio.current_task()
        # One turn of the loop lets requests that are ready at the same moment join this group.
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(self._limit, len(self._waiting)))]
            self._prompt.add(me)
            overdue = loop.call_later(self._patience, self._is_overdue, me)
            try:
                await self._settle(group)
            finally:
                overdue.cancel()

    async def _settle(self, group: list[tuple[Q, asyncio.Future[R]]]) -> None:
        try:
            results = await self._carry_out([request for request, _ in group])
            if len(results) != len(group):
                raise ValueError(f"{len(results)} results for {len(group)} requests")
        except self._retry as error:
            if len(group) == 1 or isinstance(error, self._unless):
                _fail(group, error)
                return
            half = len(group) // 2
            await self._settle(group[:half])
            await self._settle(group[half:])
        except BaseException as error:
            _fail(group, error)
            if not isinstance(error, Exception):
                raise
        else:
            for (_, future), result in zip(group, results, strict=True):
                if not future.done():
                    future.set_result(result)


def _fail(group: Sequence[tuple[Q, asyncio.Future[R]]], error: BaseException) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)
