"""A service's database, looked at from the outside."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg


@asynccontextmanager
async def reading(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that sees one moment of the database and changes nothing."""
    connection = await asyncpg.connect(database)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection
    finally:
        await connection.close()
