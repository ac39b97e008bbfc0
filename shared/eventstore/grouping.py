"""Group commit: concurrent calls are gathered into one round trip."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
R = TypeVar("R")

GROUP_LIMIT = 64
PATIENCE = 0.02
"""Seconds after which a group that is out no longer keeps others waiting."""


class Grouped(Generic[Q, R]):
    """Calls `carry_out` with up to `limit` requests at a time: one group at a time, as long as groups come back soon.

    While a group is out, requests gather; so groups grow with load and a lone request waits for nobody. A group that
    stays out, behind somebody's lock, is passed by up to `lanes` - 1 others. (Always two at a time was slower by a
    fifth: groups half as large, and as many round trips more.)
    `carry_out` answers in the order of its requests. When it raises, the group is tried again in halves, so one
    poisonous request fails alone. A caller that goes away does not cancel the group.
    """

    def __init__(
        self,
        carry_out: Callable[[Sequence[Q]], Awaitable[Sequence[R]]],
        *,
        lanes: int = 4,
        limit: int = GROUP_LIMIT,
        patience: float = PATIENCE,
        retry: tuple[type[Exception], ...] = (),
    ) -> None:
        self._carry_out = carry_out
        self._limit = limit
        self._lanes = lanes
        self._patience = patience
        self._retry = retry
        self._waiting: deque[tuple[Q, asyncio.Future[R]]] = deque()
        self._working: set[asyncio.Task[None]] = set()
        self._overdue_at = 0.0

    async def __call__(self, request: Q) -> R:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append((request, future))
        if not self._working or loop.time() > self._overdue_at:
            self._open_lane()
        return await future

    def _open_lane(self) -> None:
        if self._waiting and len(self._working) < self._lanes:
            task = asyncio.create_task(self._lane())
            self._working.add(task)
            task.add_done_callback(self._close_lane)

    def _close_lane(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        if not self._working:
            self._open_lane()

    async def _lane(self) -> None:
        # One turn of the loop lets requests that are ready at the same moment join this group.
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(self._limit, len(self._waiting)))]
            self._overdue_at = loop.time() + self._patience
            overdue = loop.call_at(self._overdue_at, self._open_lane)
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
            if len(group) == 1:
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
