"""A fault that is made over and over beside a demo, and counted as it is made."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from tests.integration.messaging.working import at_work

Making = Callable[[Counter[str]], Coroutine[Any, Any, None]]
"""Makes a fault until it is cancelled, and counts in what it is given each that was really made."""


@asynccontextmanager
async def meanwhile(making: Making) -> AsyncIterator[Counter[str]]:
    """Make a fault while the block runs; yields what has been made. One that ends before the block is an error."""
    made: Counter[str] = Counter()
    async with at_work(making(made)):
        yield made
