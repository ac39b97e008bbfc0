"""`warm_start_s`: `huchuang up` on kept data until all parts are ready."""

import statistics
import time
from pathlib import Path

from deploy.local import stack
from deploy.local.plan import StackOptions


def measure(directory: Path, rounds: int) -> dict[str, float]:
    """The median over `rounds` starts, after one that made the data."""
    options = StackOptions(port_base=21000)
    stack.up(directory, options)
    stack.down(directory)
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        stack.up(directory, options)
        seconds.append(time.perf_counter() - began)
        stack.down(directory)
    return {"warm_start_s": round(statistics.median(seconds), 2)}
