"""All benchmarks, one after the other, each beside its peer in the same run."""

import asyncio
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.local.brokers import jars
from tests.bench import (
    append,
    audit_visible,
    claims,
    command,
    consume,
    cross_service,
    edge,
    fold,
    rebuild,
    refusals,
    selection,
    sequenced,
    signatures,
    simulation,
    volume,
    warm_start,
    whitelist,
)

Measure = Callable[[Path, int], dict[str, float]]

SCENES: dict[str, Measure] = {
    "claims": lambda directory, rounds: asyncio.run(claims.measure(directory, rounds)),
    "selection": lambda directory, rounds: asyncio.run(selection.measure(directory, rounds)),
    "edge": lambda directory, rounds: asyncio.run(edge.measure(directory, rounds)),
    "whitelist": lambda directory, rounds: asyncio.run(whitelist.measure(directory, rounds)),
    "signatures": lambda directory, rounds: asyncio.run(signatures.measure(directory, rounds)),
    "refusals": lambda directory, rounds: asyncio.run(refusals.measure(directory, rounds)),
    "append": append.measure,
    "command": command.measure,
    "fold": fold.measure,
    "sequenced": sequenced.measure,
    "simulation": simulation.measure,
    "warm_start": warm_start.measure,
}
ON_KAFKA: dict[str, Measure] = {
    "cross_service": cross_service.measure,
    "audit_visible": audit_visible.measure,
    "consume": consume.measure,
    "rebuild": rebuild.measure,
}
"""Scenes with an Apache Kafka of their own, which is run from its jars: where it cannot be, they are passed over."""
ON_DEMAND: dict[str, Measure] = {
    "volume": volume.measure,
    "bulk": lambda directory, rounds: asyncio.run(selection.measure_bulk(directory, rounds)),
}
"""Scenes that run only when they are named: they take long, and much disk."""


class NoSuchScene(Exception):
    """A scene was named that there is not."""


def run(rounds: int, only: list[str], tell: Callable[[str], None]) -> dict[str, Any]:
    """The results by key, with what they were measured on. Raises `NoSuchScene`."""
    every = {**SCENES, **ON_KAFKA, **ON_DEMAND}
    if unknown := set(only) - set(every):
        raise NoSuchScene(f"no such scene: {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    results: dict[str, float] = {}
    chosen = {name: every[name] for name in only} if only else {**SCENES, **ON_KAFKA}
    without_kafka = jars.missing()
    for name, measure in chosen.items():
        if without_kafka and name in ON_KAFKA:
            tell(f"{name} is passed over: {without_kafka}")
            continue
        tell(name)
        with tempfile.TemporaryDirectory(prefix="huchuang-bench-", ignore_cleanup_errors=True) as directory:
            os.chmod(directory, 0o755)
            results.update(measure(Path(directory), rounds))
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    return {"results": results, "rounds": rounds, "machine": machine}
