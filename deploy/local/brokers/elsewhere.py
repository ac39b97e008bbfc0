"""A Kafka that somebody else runs."""

from collections.abc import Sequence
from pathlib import Path

from deploy.local.brokers.node import Broker, Node, Say


class Elsewhere(Broker):
    size = 0
    ports_needed = 0
    patience = 0.0

    def __init__(self, address: str) -> None:
        self._address = address

    async def prepare(self, directory: Path, say: Say) -> None:
        return

    def nodes(self, directory: Path, taken: Sequence[int]) -> tuple[Node, ...]:
        return ()

    def bootstrap(self, taken: Sequence[int]) -> str:
        return self._address
