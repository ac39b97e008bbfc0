"""The Merkle tree of a service's log as the database keeps it: proofs from a few hundred hashes, in one query."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import asyncpg

from shared.proof.subtrees import Span, Tree, consistency_spans, inclusion_spans, needed


class Inclusion(NamedTuple):
    """The leaf at a position, and its inclusion proof (RFC 9162 2.1.3)."""

    position: int
    leaf: bytes
    proof: list[bytes]


class LogTree:
    """Roots and proofs for the log's present size and every former one; what they rest on never changes.

    Each asks the database once. Raises IndexError for what is beyond the size asked for, or beyond the log.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def size(self) -> int:
        """How many events the log has now."""
        position: int = await self._pool.fetchval("select position from log_head")
        return position

    async def root(self, tree_size: int) -> bytes:
        """The root of the log as it was at a size (RFC 9162 2.1.1)."""
        whole = Span(0, tree_size)
        return (await self._read([whole])).root(whole)

    async def inclusions(self, positions: Sequence[int], tree_size: int) -> list[Inclusion]:
        """That each position is part of the log of a size."""
        spans = [span for position in positions for span in inclusion_spans(position - 1, tree_size)]
        leaves = [Span(position - 1, position) for position in positions]
        tree = await self._read([*spans, *leaves])

        def prove() -> list[Inclusion]:
            return [
                Inclusion(position, tree.root(leaf), tree.inclusion(position - 1, tree_size))
                for position, leaf in zip(positions, leaves, strict=True)
            ]

        # A hundred proofs take a tenth of a second of hashing: not on the event loop, which may also sequence.
        return await asyncio.to_thread(prove)

    async def consistency(self, first: int, second: int) -> list[bytes]:
        """That the log of `first` events is a prefix of that of `second` (RFC 9162 2.1.4)."""
        return (await self._read(consistency_spans(first, second))).consistency(first, second)

    async def _read(self, spans: Iterable[Span]) -> Tree:
        runs = needed(spans)
        rows = await self._pool.fetch(
            "select height, number, hash from read_nodes($1, $2, $3)",
            [run.height for run in runs],
            [run.first for run in runs],
            [run.last for run in runs],
        )
        if len(rows) != sum(run.last - run.first + 1 for run in runs):
            raise IndexError("the log is not that long")
        return Tree({(height, number): hash for height, number, hash in rows})
