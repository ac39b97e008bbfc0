"""Group commit: concurrent calls are gathered into one round trip."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
R = TypeVar("R")

GROUP_LIMIT = 64


class Grouped(Generic[Q, R]):
    """Calls `carry_out` with up to `limit` requests at a time, on up to `lanes` connections at once.

    While all lanes are busy, requests gather; so groups grow with load and a lone request waits for nobody.
    `carry_out` answers in the order of its requests. When it raises, the group is tried again in halves, so one
    poisonous request fails alone. A caller that goes away does not cancel the group.
    """

    def __init__(
        self,
        carry_out: Callable[[Sequence[Q]], Awaitable[Sequence[R]]],
        *,
        lanes: int = 2,
        limit: int = GROUP_LIMIT,
        retry: tuple[type[Exception], ...] = (),
    ) -> None:
        self._carry_out = carry_out
        self._limit = limit
        self._free = lanes
        self._retry = retry
        self._waiting: deque[tuple[Q, asyncio.Future[R]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, request: Q) -> R:
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._free > 0:
            self._free -= 1
            task = asyncio.create_task(self._lane())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def _lane(self) -> None:
        try:
            # One turn of the loop lets requests that are ready at the same moment join this group.
            await asyncio.sleep(0)
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(self._limit, len(self._waiting)))]
                await self._settle(group)
        finally:
            self._free += 1

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
