"""Long work is carried out to its end, whoever dies or does not know it."""

from typing import Any

import asyncpg
import pytest

from shared.runtime.long_work import Operations, Progress


async def test_work_that_a_lost_database_interrupts_is_begun_again(pool: asyncpg.Pool) -> None:
    """What asyncpg says of a lost connection depends on the moment in which it was lost."""
    said: list[Exception] = [
        asyncpg.InternalClientError("got result for unknown protocol state 3"),
        asyncpg.DiskFullError("no space left on device"),
        asyncpg.TooManyConnectionsError("too many clients"),
        asyncpg.DeadlockDetectedError("deadlock detected"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    ]

    async def work(_: bytes, __: Progress) -> str:
        if said:
            raise said.pop()
        return "done"

    operations = Operations(pool, {"test": work})
    accepted = (await operations.accept("test", "app", {})).operation
    while said:
        with pytest.raises((asyncpg.PostgresError, asyncpg.InternalClientError)):
            await operations.step()
    assert await operations.step()
    found = await operations.find(accepted.id)
    assert found is not None
    assert (found.status, found.result) == ("succeeded", b'"done"')


@pytest.mark.parametrize("error", [ZeroDivisionError(), asyncpg.UniqueViolationError("x")])
async def test_work_that_would_fail_again_has_failed(pool: asyncpg.Pool, error: Exception) -> None:
    async def work(_: bytes, __: Progress) -> str:
        raise error

    operations = Operations(pool, {"test": work})
    accepted = (await operations.accept("test", "app", {})).operation
    assert await operations.step()
    found = await operations.find(accepted.id)
    assert found is not None
    assert found.status == "failed"
    assert not await operations.step()


async def test_work_of_a_kind_that_newer_code_brings_is_left_to_it(pool: asyncpg.Pool) -> None:
    async def work(_: bytes, __: Progress) -> Any:
        return 1

    newer, older = Operations(pool, {"new": work, "test": work}), Operations(pool, {"test": work})
    new, old = [(await newer.accept(kind, "app", {})).operation.id for kind in ("new", "test")]
    assert [await older.step(), await older.step()] == [True, False]
    assert [found.status for id in (new, old) if (found := await newer.find(id))] == ["accepted", "succeeded"]
    assert await newer.step()
    assert [found.status for id in (new, old) if (found := await newer.find(id))] == ["succeeded", "succeeded"]
