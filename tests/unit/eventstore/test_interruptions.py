"""What is waited out, and what would be said again however often one asks."""

import asyncpg
import pytest

from shared.eventstore.interruptions import Contended, passes


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.DeadlockDetectedError(),
        asyncpg.SerializationError(),
        asyncpg.ConnectionDoesNotExistError(),
        asyncpg.DiskFullError(),
        asyncpg.AdminShutdownError(),
        asyncpg.InvalidCatalogNameError(),
        asyncpg.InvalidCachedStatementError(),
        asyncpg.InterfaceError("the connection is closed"),
        ConnectionResetError(),
        TimeoutError(),
        Contended(),
    ],
    ids=repr,
)
def test_what_passes(error: Exception) -> None:
    assert passes(error)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.NumericValueOutOfRangeError(),
        asyncpg.UniqueViolationError(),
        asyncpg.CardinalityViolationError(),
        asyncpg.FeatureNotSupportedError(),
        asyncpg.UndefinedColumnError(),
        asyncpg.RaiseError(),
        RecursionError(),
        ValueError(),
    ],
    ids=repr,
)
def test_what_does_not(error: Exception) -> None:
    assert not passes(error)
