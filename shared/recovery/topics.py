"""What Kafka still holds of a log: records behind a position, and signed heads, read once from the beginning."""

import asyncio
from typing import NamedTuple
from uuid import UUID

from aiokafka.errors import RequestTimedOutError, UnknownTopicOrPartitionError
from aiokafka.structs import ConsumerRecord

from shared.messaging.broker import ERRORS
from shared.messaging.heads import read_head
from shared.messaging.incarnation import partitions_of
from shared.messaging.reader import Reader
from shared.messaging.topics import HEADS, Unreadable, read_message, topic_of
from shared.proof.heads import SignedHead
from shared.recovery.tail import CannotReconcile

QUIET = 2.0
"""Seconds without a message after which a topic counts as read, beside the end that the broker states: Tansu's is
sometimes too small."""
PATIENCE = 30.0
"""Seconds without a message before that end after which the broker is taken for one that is away."""
FETCHED = 5000


class Carried(NamedTuple):
    """Canonical bytes by position, and the heads that are told to be this service's."""

    records: dict[int, bytes]
    heads: list[SignedHead]


async def read_topics(bootstrap: str, service: str, log_id: UUID, after: int) -> Carried:
    """Raises `CannotReconcile` while the broker, or one of the two topics, is away: what it holds has to be known."""
    carried = Carried({}, [])

    def take(message: ConsumerRecord) -> None:
        try:
            if message.topic == HEADS:
                signed = read_head(message.key, message.value, (service,))
                if signed.head.log_id == str(log_id):
                    carried.heads.append(signed)
            else:
                item = read_message(message.topic, message.headers, message.value)
                if item.log_id != log_id or item.position <= after:
                    return
                if carried.records.setdefault(item.position, item.data) != item.data:
                    raise CannotReconcile([f"Kafka holds two different records at position {item.position}"])
        except Unreadable:
            return  # markers, and what is no record: none of the tail

    topics = [topic_of(service), HEADS]
    try:
        partitions = await partitions_of(bootstrap, topics)
        async with Reader(bootstrap) as reader:
            reader.start(dict.fromkeys(partitions, 0))
            ends = await reader.ends()
            heard = asyncio.get_running_loop().time()
            while asyncio.get_running_loop().time() < heard + QUIET or await reader.is_behind(ends):
                if asyncio.get_running_loop().time() > heard + PATIENCE:
                    raise RequestTimedOutError("less has come than the broker said there was")
                for batch in (await reader.some(FETCHED)).values():
                    heard = asyncio.get_running_loop().time()
                    for message in batch:
                        take(message)
    except UnknownTopicOrPartitionError as error:
        reason = f"Kafka has no topic {', '.join(map(str, error.args))}: run huchuang topics, then again"
        raise CannotReconcile([reason]) from error
    except ERRORS as error:
        reason = f"Kafka cannot be read ({type(error).__name__}): start the broker, then again"
        raise CannotReconcile([reason]) from error
    return carried
