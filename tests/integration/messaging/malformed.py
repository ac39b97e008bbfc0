"""Messages that nobody meant to send: what any of them does to a consumer is the same, whoever waits behind it."""

import random
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NoError
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import ConsumerRecord
from hypothesis import strategies as st

from shared.eventstore.record import Record, canonical
from shared.messaging.incarnation import MARKER
from shared.messaging.topics import LONGEST_NAME, Delivered

Headers = Sequence[tuple[str, bytes | None]]

NOISE = "".join(chr(number) for number in random.Random(5).choices(range(0x4E00, 0x9FFF), k=LONGEST_NAME))
"""A name as long as one may be, which no index compresses."""


class Message(NamedTuple):
    """What a producer is given."""

    key: bytes | None
    headers: Headers
    value: bytes | None


def at(position: int) -> Headers:
    """The header by which a message says where it stands."""
    return [("position", str(position).encode())]


def altered(item: Delivered, **changes: object) -> bytes:
    """The bytes of a record with some of its fields other than anybody writes them."""
    return canonical(msgspec.structs.replace(item.record, **changes))


def malformed(good: Delivered) -> list[Message]:
    """Messages of which none can be read; `good` is an event whose bytes some of them have in part."""
    values = (b"", b"not json", b"\x00\xff", b"[" * 5000, b'{"id": 1}', None)
    positions = (b"", b"0", b"-1", b"1e3", b"9" * 5000, b"0" * 30 + b"1", str(2**63).encode(), "７".encode(), None)
    records = (
        altered(good, stream="acc_\0"),
        altered(good, stream="acc_\n"),
        altered(good, stream=NOISE + "更"),
        altered(good, stream=""),
        altered(good, type=""),
        altered(good, type="test.\0.v1"),
        altered(good, type=f"{NOISE}.v1"),
        good.data.replace(b'"acc_', b'"\xff'),
        good.data.replace(b'"payload":{', b'"payload":{"more":"\xff"'),
    )
    keys = (None, b"", b"\x00\xff", random.Random(7).randbytes(5000), ("更" * 5000).encode())
    return [
        *(Message(b"nobody", [], value) for value in values),
        *(Message(b"nobody", [("position", position)], good.data) for position in positions),
        *(Message(b"nobody", at(1), record) for record in records),
        *(Message(key, at(1), b"not json") for key in keys),
        Message(b"nobody", [("", b""), ("position", b"1"), ("position", None)], good.data),
        Message(b"nobody", [(MARKER, b"1"), ("更" * 100, None)], b"not json"),
    ]


NUMBERS = st.integers(-1, 2**64).map(lambda number: str(number).encode()) | st.just(b"7" * 5000)
HEADERS = st.lists(
    st.tuples(st.just("position") | st.text(max_size=20), st.none() | NUMBERS | st.binary(max_size=30)), max_size=3
)
KEYS = st.none() | st.binary(max_size=40) | st.binary(min_size=3000, max_size=4000)
MESSAGES = st.builds(Message, KEYS, HEADERS, st.none() | st.binary(max_size=200))
"""Any message at all that has never been a record."""

NAMES = st.text(max_size=30).map("acc_{}".format) | st.sampled_from(
    ["", NOISE, NOISE + "更", "a.v" + "5" * 5000, "acc_\0"]
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "stream": NAMES,
        "type": NAMES,
        "version": st.integers(-(2**70), 2**70),
        "traceparent": st.none() | st.text(max_size=60),
        "id": st.uuids(),
        "correlation_id": st.none() | st.just(UUID(int=0)),
    },
)
"""What a record may say of itself that no service ever writes."""


def fetched(topic: str, offset: int, message: Message) -> ConsumerRecord:
    """A message as a broker gives it to a consumer."""
    key, headers, value = message
    sizes = len(key or b""), len(value or b"")
    return ConsumerRecord(topic, 0, offset, 0, 0, key, value, None, *sizes, tuple(headers))


def is_kept_by_name(record: Record) -> bool:
    """Whether the names in a record are such as a service would write."""
    names = (record.stream, record.type)
    return all(0 < len(name) <= LONGEST_NAME and min(name) >= " " and "\x7f" not in name for name in names)


NAMELESS = "??"
NOT_UTF_8 = b"\xce\xc4"
"""A header's name as a producer of another encoding writes it."""


CRC = slice(17, 21)
"""Where the check sum of a batch stands; it is over all that follows."""


def batch_of(messages: Sequence[Message], compression: int = 0) -> bytes:
    """A record batch; of headers that are called NAMELESS the name is not UTF-8."""
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, -1, 2**20)
    for number, (key, headers, value) in enumerate(messages):
        builder.append(number, 1_750_000_000_000, key, value, list(headers))
    data = bytearray(builder.build()).replace(NAMELESS.encode(), NOT_UTF_8)
    data[CRC] = calc_crc32c(data[CRC.stop :]).to_bytes(4, "big")
    return bytes(data)


async def put(bootstrap: str, topic: str, batch: bytes, partition: int = 0) -> None:
    """Have the broker append these bytes to a partition, which no client library would send."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        await client.force_metadata_update()
        await client.set_topics([topic])
        leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
        request = ProduceRequest(
            transactional_id=None, required_acks=-1, timeout=5000, topics=[(topic, [(partition, batch)])]
        )
        answer = await client.send(leader, request)
        [(_, [(_, code, *_)])] = answer.topics
        assert code == NoError.errno, code
    finally:
        await client.close()
