"""What holds of every log: nothing lost, nothing twice, nothing inverted, no gap, and the root that of its records."""

import asyncpg

from shared.eventstore.reader import LogReader
from shared.eventstore.record import canonical
from shared.proof.merkle import leaf_hash, root, tree_root


async def assert_whole(pool: asyncpg.Pool) -> int:
    """Check the whole log; returns how many events it has."""
    assert await pool.fetchval("select count(*) from unsequenced") == 0
    reader = LogReader(pool)
    await reader.start()
    items = await reader.read(0, 1_000_000)
    assert [item.position for item in items] == list(range(1, reader.head + 1))
    assert len(items) == await pool.fetchval("select count(*) from event")
    assert len({item.record.id for item in items}) == len(items)
    versions: dict[str, int] = {}
    for item in items:
        assert item.record.version == versions.get(item.record.stream, 0) + 1
        versions[item.record.stream] = item.record.version
    assert versions == {row["id"]: row["version"] for row in await pool.fetch("select id, version from stream")}
    leaves = [leaf_hash(canonical(item.record)) for item in items]
    assert [item.leaf for item in items] == leaves
    assert root(await pool.fetchval("select peaks from log_head")) == tree_root(leaves)
    return len(items)
