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
REFUSED = (
    *(asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError),
    *(asyncpg.CardinalityViolationError, asyncpg.WithCheckOptionViolationError, asyncpg.PLPGSQLError),
    RecursionError,
)
"""What is said of a row that will never be taken: its key is too long for an index, it is nested too deep to read."""
FAULTY = (*REFUSED, asyncpg.SyntaxOrAccessError, asyncpg.FeatureNotSupportedError)
"""What is said of a statement, and will be said again; any other error of the database says how the database is."""


def passes(error: BaseException) -> bool:
    """Whether what ended so may go well when it is tried again: somebody is away, out of room, or in the way."""
    if isinstance(error, asyncpg.InvalidCachedStatementError):  # a migration has changed the table meanwhile
        return True
    return isinstance(error, INTERRUPTIONS) and not isinstance(error, FAULTY)
