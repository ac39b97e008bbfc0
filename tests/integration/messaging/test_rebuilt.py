"""A city rebuilt from Kafka alone, over both kinds of broker: each position of a log once, whatever Kafka repeats."""

from collections.abc import Sequence
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer

from deploy.local import rebuilt as rebuilding
from deploy.local.failures import StackFailed
from deploy.local.rebuilt import City, Log, city_of, rebuilt
from services.audit.archive.history import Located
from shared.eventstore.record import canonical
from shared.messaging.incarnation import marker_headers
from shared.messaging.topics import Delivered, headers, topic_of
from tests.integration.messaging.conftest import SOURCE, Told

CLAIM = f"clm_{uuid4()}"
PERSON = f"per_{uuid4()}"
OPENING = f'{{"person_id":"{PERSON}","organisation_id":null}}'.encode()
TELLS = f'{{"subject_id":"{CLAIM}"}}'.encode()


@pytest.fixture
def story(told: Told) -> list[Delivered]:
    """A claim of two events, its person, a message about the claim, and somebody else's stream."""
    return [
        told(1, CLAIM, payload=OPENING),
        told(2, PERSON),
        told(3, "msg_1", payload=TELLS),
        told(4, "acc_x"),
        told(5, CLAIM),
    ]


async def send(bootstrap: str, items: Sequence[Delivered], *others: bytes) -> None:
    """Publish records, beside markers and, before them, `others`: no records, where the third stands."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await producer.send_and_wait(topic_of(SOURCE), b"", headers=marker_headers())
        for other in others:
            await producer.send_and_wait(topic_of(SOURCE), other, key=b"msg_1", headers=[("position", b"3")])
        for item in items:
            key, said = item.record.stream.encode(), headers(SOURCE, item.position, item.record)
            await producer.send(topic_of(SOURCE), item.data, key=key, headers=said)


def kept(city: City) -> list[tuple[str, int, bytes]]:
    return sorted(item for items in city.streams.values() for item in items)


def log_of(items: Sequence[Delivered]) -> Log:
    return Log(str(items[0].log_id), len(items))


async def test_each_position_is_there_once_with_its_bytes(bootstrap: str, story: list[Delivered], told: Told) -> None:
    other = told(2, "acc_x", log_id=uuid4())
    later = told(6, "acc_x")
    nested = b'{"payload":' + b"[" * 100_000
    await send(bootstrap, [other, *story[2:], later, *story, *story[:3]], b"no record", b'{"stream":1}', nested)
    city = await rebuilt(bootstrap, {SOURCE: log_of(story)})
    assert kept(city) == [(SOURCE, item.position, item.data) for item in story]
    assert [position for _, position, _ in sorted(city.streams[CLAIM])] == [1, 5]


async def test_a_claims_history_is_its_stream_and_what_it_rests_on_and_what_mentions_it(
    bootstrap: str, story: list[Delivered]
) -> None:
    await send(bootstrap, story)
    city = await rebuilt(bootstrap, {SOURCE: log_of(story)})
    found = city.related(CLAIM)
    assert sorted(item.position for item in found) == [1, 2, 3, 5]
    assert city.related("clm_unknown") == []
    same = city_of(Located(SOURCE, item.position, item.record) for item in story)
    assert kept(same) == kept(city)
    assert same.related(CLAIM) == found
    assert {canonical(item.record) for item in found} <= {item.data for item in story}


async def test_what_is_lacking_is_said(bootstrap: str, story: list[Delivered], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "PATIENCE", 0.5)
    monkeypatch.setattr(rebuilding, "QUIET", 0.3)
    await send(bootstrap, story[:4])
    with pytest.raises(StackFailed, match="'ledger': 1"):
        await rebuilt(bootstrap, {SOURCE: log_of(story)})
