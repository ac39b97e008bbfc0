"""A database that was made and filled by an older version is brought up to date, and loses nothing."""

import asyncio
from uuid import uuid4

import asyncpg

from deploy.local.migrations import migrate
from deploy.local.postgres import PostgresServer
from shared.eventstore.projections import builds
from shared.proof.merkle import leaf_hash, tree_root
from shared.proof.tree import LogTree

EVENTS = 600


async def test_lists_and_proofs_of_an_older_database_go_on(postgres: PostgresServer) -> None:
    name = f"older_{uuid4().hex}"
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute(f"create database {name}")
    dsn = postgres.dsn(name)
    await asyncio.to_thread(migrate, "registry", dsn, "0002")
    leaves = [leaf_hash(str(n).encode()) for n in range(EVENTS)]
    async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
        await pool.executemany(
            "insert into event (stream, version, id, type, recorded_at, occurred_at, actor_client, correlation_id,"
            " payload) values ('per_1', $1, gen_random_uuid(), 'old', now(), now(), 'app', gen_random_uuid(), '{}')",
            [(n + 1,) for n in range(EVENTS)],
        )
        await pool.executemany(
            "insert into log (position, stream, version, leaf_hash) values ($1, 'per_1', $2, $3)",
            [(n + 1, n + 1, leaf) for n, leaf in enumerate(leaves)],
        )
        await pool.execute("update log_head set position = $1", EVENTS)
        await pool.execute("insert into listing values ('person', 'per_1', '{}', '{}', 600)")
        await pool.execute("insert into checkpoint (reader, position) values ('projection:listing:1', 600)")

    await asyncio.to_thread(migrate, "registry", dsn)

    async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
        tree = LogTree(pool)
        for size in (1, 255, 256, 257, 512, 599, 600):
            assert await tree.root(size) == tree_root(leaves[:size])
        assert [(build.name, build.state, build.position) for build in await builds(pool)] == [("listing", "live", 600)]
        assert await pool.fetchval("select count(*) from read_listing('person', '{}', null, 10, false)") == 1
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()
