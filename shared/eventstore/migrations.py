"""The kernel's part of every service's migrations: tables and functions from the `.sql` files."""

import asyncio
from pathlib import Path
from typing import Any

from alembic import context, op
from sqlalchemy import MetaData, pool, text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import async_engine_from_config
from sqlalchemy.util import await_only

from shared.proof.merkle import extend

SQL = Path(__file__).parent / "sql"
LEAVES = 10_000

TABLES = ("tables", "listing", "tables_2", "tables_3", "tables_4", "tables_5")
"""The scripts that make the tables, in order. One that has been run somewhere is never changed: the next is added."""

FUNCTIONS = (
    "load",
    "take_streams",
    "take_limits",
    "take_keys",
    "use_bounds",
    "undo_taken",
    "write_rows",
    "erase_subject",
    "forget_expired_answers",
    "forget_retired_listing",
    "append",
    "claim_lease",
    "take_unsequenced",
    "write_log",
    "read_nodes",
    "read_log",
    "read_sequenced_stream",
    "raise_watermark",
    "waiting_reactions",
    "postpone_reaction",
    "reaction_state",
    "read_listing",
    "read_streams",
    "make_staging",
    "unstage",
    "analyze_staging",
    "differing_limits",
    "differing_rows",
    "mend_limits",
    "mend_rows",
    "renew_log",
    "reinstate_log",
    "put_back",
)


def statement(name: str) -> str:
    """The text of one `.sql` file."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def make_tables(script: str) -> None:
    """Run one of `TABLES`: a migration of every service."""
    run_script(statement(script))


def install_functions() -> None:
    """Put the kernel's functions in place as they are now: the end of every migration that changes the kernel."""
    run_script(kernel_functions())


def kernel_functions() -> str:
    """The script that replaces all functions of the kernel, whatever arguments they had before."""
    names = ", ".join(f"'{name}'" for name in FUNCTIONS)
    drop = f"""do $$ declare v record; begin
        for v in select oid::regprocedure as name from pg_proc
                 where pronamespace = current_schema()::regnamespace and proname in ({names})
        loop execute 'drop function ' || v.name; end loop;
    end $$;"""
    return "\n".join((drop, *map(statement, FUNCTIONS)))


def keep_subtrees() -> None:
    """Keep the subtrees of what was sequenced before they were kept, so that old events have proofs as well."""
    driver = _driver()
    size, peaks = 0, list[bytes]()
    while rows := await_only(
        driver.fetch("select leaf_hash from log where position > $1 order by position limit $2", size, LEAVES)
    ):
        grown = extend(size, peaks, [row["leaf_hash"] for row in rows])
        await_only(
            driver.executemany("insert into log_subtree (height, number, hash) values ($1, $2, $3)", grown.completed)
        )
        size, peaks = size + len(rows), grown.peaks


def run_script(script: str) -> None:
    """Run a script of several statements as it stands, without parameters."""
    await_only(_driver().execute(script))


def _driver() -> Any:
    """The connection below the adapter, in the migration's transaction."""
    driver = op.get_bind().connection.driver_connection
    if driver is None:
        raise RuntimeError("no connection")
    op.execute("select 1")  # the adapter opens its transaction with its first statement
    return driver


def run_environment(metadata: MetaData) -> None:
    """What `env.py` of a service does: migrate over asyncpg."""
    asyncio.run(_migrate(metadata))


async def _migrate(metadata: MetaData) -> None:
    section = context.config.get_section(context.config.config_ini_section) or {}
    engine = async_engine_from_config(section, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(lambda sync: _run(sync, metadata))
    await engine.dispose()


def _run(connection: Connection, metadata: MetaData) -> None:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        connection.execute(text("select pg_advisory_xact_lock(7236401)"))
        context.run_migrations()
