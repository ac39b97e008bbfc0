"""What a worker waits out and tries again: the database away, or someone who cannot answer now."""

import asyncpg


class AskLater(Exception):
    """The one who was asked cannot answer now."""


class Contended(AskLater):
    """A command lost against others too often; it may be sent again."""


class TwinStillRunning(AskLater):
    """Another request under the same idempotency key is still running."""


DATABASE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""A connection that is lost between two of its states answers with an InternalClientError, which is neither."""
INTERRUPTIONS = (*DATABASE, AskLater)
