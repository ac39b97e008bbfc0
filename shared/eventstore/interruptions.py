"""What a worker waits out and tries again: the database away, or someone who cannot answer now."""

import asyncpg


class AskLater(Exception):
    """The one who was asked cannot answer now."""


DATABASE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
INTERRUPTIONS = (*DATABASE, AskLater)
