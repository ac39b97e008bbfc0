"""All benchmarks, one after the other, each beside its peer in the same run."""

import asyncio
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench import claims, warm_start, whitelist

SCENES: dict[str, Callable[[Path, int], dict[str, float]]] = {
    "claims": lambda directory, rounds: asyncio.run(claims.measure(directory, rounds)),
    "whitelist": lambda directory, rounds: asyncio.run(whitelist.measure(directory, rounds)),
    "warm_start": warm_start.measure,
}


def run(rounds: int, only: list[str], tell: Callable[[str], None]) -> dict[str, Any]:
    """The results by key, with what they were measured on."""
    results: dict[str, float] = {}
    for name, measure in SCENES.items():
        if only and name not in only:
            continue
        tell(name)
        with tempfile.TemporaryDirectory(prefix="huchuang-bench-", ignore_cleanup_errors=True) as directory:
            os.chmod(directory, 0o755)
            results.update(measure(Path(directory), rounds))
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    return {"results": results, "rounds": rounds, "machine": machine}
