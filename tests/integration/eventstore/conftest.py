"""The kernel on a real database, with the small aggregate of `account.py`."""

from pathlib import Path

import asyncpg
import pytest

from shared.eventstore.store import Store
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from tests.integration.eventstore.account import ACCOUNT


@pytest.fixture
def store(pool: asyncpg.Pool, keys: Path) -> Store:
    return Store(pool, [ACCOUNT], Keyring(FileMasterKey(keys)))


@pytest.fixture
def other_store(pool: asyncpg.Pool, keys: Path) -> Store:
    """A second process on the same database: its own groups, its own caches."""
    return Store(pool, [ACCOUNT], Keyring(FileMasterKey(keys)))
