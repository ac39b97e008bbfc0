"""Proofs from the database: those of the whole tree, for every size it ever had, from few hashes and in one query."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import pytest

from shared.eventstore.store import Store
from shared.proof.heads import Signer
from shared.proof.merkle import consistent, root_from_inclusion, tree_root
from shared.proof.subtrees import Tree
from shared.proof.tree import LogTree
from tests.integration.eventstore.proving import Ledger


class Counting:
    """A pool that counts the queries, and the rows that they bring."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.queries = self.rows = 0

    async def fetch(self, query: str, *values: Any) -> list[Any]:
        found: list[Any] = await self._pool.fetch(query, *values)
        self.queries += 1
        self.rows += len(found)
        return found


@pytest.fixture
async def ledger(store: Store, pool: asyncpg.Pool, tmp_path: Path) -> Ledger:
    return await Ledger.opened(store, pool, Signer.from_file(tmp_path / "log.pem", "ledger"))


async def leaves_of(pool: asyncpg.Pool) -> list[bytes]:
    return [row["leaf_hash"] for row in await pool.fetch("select leaf_hash from log order by position")]


async def test_the_sequencer_keeps_every_completed_subtree_once_in_whatever_batches(ledger: Ledger) -> None:
    for size in (200, 55, 1, 1, 300):
        await ledger.fill(size)
    leaves = await leaves_of(ledger.pool)
    rows = await ledger.pool.fetch("select height, number, hash from log_subtree order by height, number")
    assert [tuple(row) for row in rows] == [(8, n, tree_root(leaves[n * 256 : n * 256 + 256])) for n in range(2)]


async def test_proofs_for_any_size_are_those_of_the_whole_tree(ledger: Ledger) -> None:
    await ledger.fill(300, 2)
    leaves = await leaves_of(ledger.pool)
    assert len(leaves) == 900
    whole, tree, random = Tree.of(leaves), LogTree(ledger.pool), Random(1)
    for size in (1, 2, 255, 256, 257, 300, 511, 512, 513, 767, 768, 769, 899, 900):
        positions = sorted({1, size, random.randint(1, size), random.randint(1, size)})
        for found in await tree.inclusions(positions, size):
            assert found.leaf == leaves[found.position - 1]
            assert found.proof == whole.inclusion(found.position - 1, size)
            reached = root_from_inclusion(found.position - 1, size, found.leaf, found.proof)
            assert reached == tree_root(leaves[:size]) == await tree.root(size)
        first = random.randint(1, size)
        proof = await tree.consistency(first, size)
        assert proof == whole.consistency(first, size)
        assert consistent(first, tree_root(leaves[:first]), size, tree_root(leaves[:size]), proof)


async def test_a_proof_is_one_query_and_reads_no_leaf_of_a_completed_subtree_but_its_own(ledger: Ledger) -> None:
    await ledger.fill(300, 2)
    asks: tuple[Callable[[LogTree], Awaitable[object]], ...] = (
        lambda tree: tree.inclusions([700], 900),
        lambda tree: tree.inclusions([3], 899),
        lambda tree: tree.consistency(400, 900),
        lambda tree: tree.root(900),
    )
    for ask in asks:
        counting = Counting(ledger.pool)
        await ask(LogTree(counting))
        assert counting.queries == 1
        assert counting.rows <= 256 + 3 + 900 % 256


async def test_what_is_beyond_the_log_is_no_proof(ledger: Ledger) -> None:
    await ledger.fill(5)
    tree = LogTree(ledger.pool)
    assert await tree.size() == 5
    asks: tuple[Awaitable[object], ...] = (
        tree.inclusions([6], 5), tree.inclusions([1], 6), tree.inclusions([0], 5), tree.root(6),
        tree.consistency(1, 6), tree.consistency(5, 4), tree.consistency(0, 5),
    )  # fmt: skip
    for ask in asks:
        with pytest.raises(IndexError):
            await ask


async def test_an_empty_log_has_the_root_of_nothing(ledger: Ledger) -> None:
    assert await LogTree(ledger.pool).root(0) == tree_root([])
