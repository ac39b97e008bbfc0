"""Signed heads on Kafka: every service publishes those that it keeps, and who wants to hold them reads them.

A head has no position in a log, no stream and no envelope, so nothing of the inbox (watermarks, order, what waits
behind a parked message) is there for it. It says itself what it is about, and holding it twice is holding it once:
the effect is called with whatever comes, and has only to keep what it does not have.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC
from uuid import UUID

import asyncpg
import msgspec

from shared.messaging.bookmarks import Bookmarks, Lives
from shared.messaging.publisher import Outgoing, Publisher
from shared.messaging.reader import Batches
from shared.messaging.subscriber import Subscriber, without_markers
from shared.messaging.topics import HEADS, Unreadable
from shared.proof.heads import Heads, SignedHead

READER = "heads"
BATCH = 500
POLL_SECONDS = 1.0
LONGEST = 2000
"""Bytes of a message; a head has some 350. What is kept of one has to fit into an index."""

HeadEffect = Callable[[asyncpg.Connection, Sequence[SignedHead]], Awaitable[None]]


class HeadPublisher(Publisher):
    """Publishes the heads that a service keeps, in order of their size, as they were signed; the key is the service."""

    def __init__(self, pool: asyncpg.Pool, service: str, bootstrap: str) -> None:
        super().__init__(pool, READER, HEADS, bootstrap)
        self._service = service
        self._heads = Heads(pool)
        self._more = asyncio.Event()

    def wake(self) -> None:
        """A head has been kept. One that another process keeps is found by looking now and then."""
        self._more.set()

    async def _read(self, after: int) -> Sequence[Outgoing]:
        self._more.clear()
        key, headers = self._service.encode(), [("content-type", b"application/json")]
        return [Outgoing(kept.tree_size, key, kept.json, headers) for kept in await self._heads.after(after, BATCH)]

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._more.wait()
        except TimeoutError:
            return


def read_head(key: bytes | None, value: bytes | None, services: Collection[str]) -> SignedHead:
    """Read one message of the topic, a head of one of these services. Raises `Unreadable`.

    Whether its signature is the service's is not asked: a stranger's head is evidence as well, and `examine` names it.
    """
    if value is None or len(value) > LONGEST:
        raise Unreadable("没有内容或过长")
    try:
        signed = msgspec.json.decode(value, type=SignedHead)
        head = signed.head
        UUID(head.log_id)
        bytes.fromhex(head.root)
        if head.signed_at.tzinfo is None:
            raise ValueError("签名时间没有时区")
        head.signed_at.astimezone(UTC)
    except (ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise Unreadable(str(error)) from error
    if msgspec.json.encode(signed) != value:
        raise Unreadable("不是签名时的字节")
    if head.service not in services or head.service.encode() != key:
        raise Unreadable("不是所列服务的日志头")
    if not 0 < head.tree_size < 2**63:
        raise Unreadable("日志大小超出范围")
    return signed


class HeadConsumer(Subscriber):
    """Reads the heads of `services`. What is no head is parked; nothing waits behind it."""

    def __init__(self, pool: asyncpg.Pool, effect: HeadEffect, services: Collection[str], bootstrap: str) -> None:
        super().__init__(pool, "head_consumer", Bookmarks(pool, READER), [HEADS], bootstrap)
        self._pool = pool
        self._effect = effect
        self._services = services

    async def _take(self, batches: Batches, lives: Lives) -> None:
        found = []
        for messages in batches.values():
            for message in without_markers(messages):
                try:
                    found.append(read_head(message.key, message.value, self._services))
                except Unreadable as error:
                    await self._park(message, error, lives)
        if found:
            async with self._pool.acquire() as connection, connection.transaction():
                await self._effect(connection, found)
