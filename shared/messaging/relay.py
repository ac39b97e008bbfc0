"""The relay: publishes the sequenced log to Kafka, in order of position, at least once.

The event store is the outbox. Stale records of a leader that was frozen are absorbed by position.
"""

from collections.abc import Sequence

import asyncpg

from shared.eventstore.reader import LogReader
from shared.eventstore.record import canonical
from shared.messaging.publisher import Outgoing, Publisher
from shared.messaging.topics import headers, topic_of

READER = "relay"
BATCH = 500


class Relay(Publisher):
    """Publishes a service's log to the service's topic, each record under the key of its stream."""

    def __init__(self, pool: asyncpg.Pool, reader: LogReader, service: str, bootstrap: str) -> None:
        super().__init__(pool, READER, topic_of(service), bootstrap)
        self._reader = reader
        self._service = service

    async def _read(self, after: int) -> Sequence[Outgoing]:
        if self._reader.head <= after:
            return ()
        return [
            Outgoing(
                item.position,
                item.record.stream.encode(),
                canonical(item.record),
                headers(self._service, item.position, item.record),
                item.record.traceparent,
            )
            for item in await self._reader.read(after, BATCH)
        ]

    async def _wait(self) -> None:
        await self._reader.wait_beyond(self.position, 0.5)
