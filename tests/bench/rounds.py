"""Alternating rounds: what is compared is measured in turns, close together, because machines have moods."""

import statistics
from collections.abc import Awaitable, Callable, Sequence

Measured = Callable[[], Awaitable[float]]


async def alternate(rounds: int, *measured: Measured) -> list[list[float]]:
    """The results of each measurement over `rounds` rounds, after one round that only warms up."""
    results: list[list[float]] = [[] for _ in measured]
    for number in range(rounds + 1):
        for measure, column in zip(measured, results, strict=True):
            value = await measure()
            if number:
                column.append(value)
    return results


def median(values: Sequence[float], digits: int = 1) -> float:
    return round(statistics.median(values), digits)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return round(statistics.median(one / two for one, two in zip(ours, theirs, strict=True)), 3)
