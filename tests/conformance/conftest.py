"""The two brokers, a real PostgreSQL, and a service's log whose events another service applies."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.brokers.running import Running
from shared.eventstore.reader import LogReader
from shared.eventstore.sequencer import Sequencer
from shared.eventstore.store import Store
from shared.messaging.topics import topic_of
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from tests.brokers import CHOICES, Brokers
from tests.conformance.city import City
from tests.integration.conftest import dsn, keys, pool, postgres  # noqa: F401
from tests.integration.eventstore.account import ACCOUNT
from tests.integration.messaging.conftest import SOURCE, Diary, diary  # noqa: F401
from tests.integration.messaging.working import at_work

TOPIC = topic_of(SOURCE)


@pytest.fixture(params=CHOICES)
def choice(request: pytest.FixtureRequest) -> str:
    """Which broker: each test that asks for one is run against every kind."""
    chosen: str = request.param
    return chosen


@pytest.fixture
async def broker(choice: str, brokers: Brokers) -> AsyncIterator[Running]:
    """With TOPIC, which is empty."""
    async with brokers.with_topics(choice, TOPIC) as running:
        yield running


@pytest.fixture
async def apache(brokers: Brokers) -> AsyncIterator[Running]:
    """Apache Kafka, for what Tansu cannot do."""
    async with brokers.with_topics("apache", TOPIC) as running:
        yield running


@pytest.fixture
async def city(pool: asyncpg.Pool, keys: Path, diary: Diary) -> AsyncIterator[City]:  # noqa: F811
    store = Store(pool, [ACCOUNT], Keyring(FileMasterKey(keys)))
    reader = LogReader(pool)
    await reader.start()
    async with at_work(Sequencer(pool, store.appended, reader.advance).run()):
        yield City(pool, store, reader, diary)
