"""A fault that is made over and over beside a demo, and counted as it is made."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from tests.integration.messaging.working import at_work

Made = TypeVar("Made")


@asynccontextmanager
async def meanwhile(making: Callable[[Counter[Made]], Coroutine[Any, Any, None]]) -> AsyncIterator[Counter[Made]]:
    """Make a fault, and count each that was really made, while the block runs; yields what has been made.

    A fault that ends before the block is an error.
    """
    made: Counter[Made] = Counter()
    async with at_work(making(made)):
        yield made
