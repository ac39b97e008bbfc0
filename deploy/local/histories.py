"""Histories from each of the three places that keep events: Kafka, the services' stores, the archive."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal
from urllib.parse import quote

import msgspec
from aiokafka.structs import ConsumerRecord

from deploy.local.client import Answer, Client
from deploy.local.failures import StackFailed
from deploy.local.rebuilt import City, Log, city_of, rebuilt
from services.audit.archive.history import History, Located, assemble
from services.audit.intake.claims import differences
from shared.eventstore.record import Record, canonical
from shared.messaging.broker import ERRORS
from shared.messaging.heads import read_head
from shared.messaging.incarnation import partitions_of
from shared.messaging.reader import Reader
from shared.messaging.topics import HEADS, Unreadable, read_message, topic_of

Source = Literal["kafka", "store", "archive"]
Hear = Callable[[ConsumerRecord], None]
PATIENCE = 60.0
QUIET = 3.0
FETCHED = 5000


async def read_kafka(client: Client) -> City:
    """Every record of every service, from the beginning, by Kafka alone."""
    return await rebuilt(client.endpoints.kafka, await _logs(client))


async def _logs(client: Client) -> dict[str, Log]:
    progress = {name: (await client.get("ops", name, "/v1/progress")).body for name in client.endpoints.services}
    return {name: Log(item["log_id"], item["head"]) for name, item in progress.items()}


async def hear_events(client: Client, hear: Hear) -> None:
    """Tell of every message in every service's topic as it came, markers and what is unreadable included."""
    logs = await _logs(client)
    seen: dict[str, set[int]] = {name: set() for name in logs}

    def take(message: ConsumerRecord) -> None:
        hear(message)
        try:
            item = read_message(message.topic, message.headers, message.value)
        except Unreadable:
            return
        log = logs[item.source]
        if str(item.log_id) == log.log_id and item.position <= log.head:
            seen[item.source].add(item.position)

    def lacking() -> dict[str, int]:
        return {name: log.head - len(seen[name]) for name, log in logs.items() if len(seen[name]) < log.head}

    await _read(client.endpoints.kafka, [topic_of(name) for name in logs], take, lacking)


async def read_heads_topic(client: Client, newest: Mapping[str, int], hear: Hear) -> None:
    """Every message of the topic of signed heads, up to the newest head (by its tree size) of each service."""
    seen: dict[str, int] = {}

    def take(message: ConsumerRecord) -> None:
        hear(message)
        try:
            signed = read_head(message.key, message.value, list(newest))
        except Unreadable:
            return
        seen[signed.head.service] = max(seen.get(signed.head.service, 0), signed.head.tree_size)

    def lacking() -> dict[str, int]:
        return {name: size - seen.get(name, 0) for name, size in newest.items() if size > seen.get(name, 0)}

    await _read(client.endpoints.kafka, [HEADS], take, lacking)


async def _read(bootstrap: str, topics: Sequence[str], take: Hear, lacking: Callable[[], Mapping[str, int]]) -> None:
    """Read topics, again and again while the broker is away, until nothing is lacking. Raises StackFailed."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while lacking():
        if asyncio.get_running_loop().time() > deadline:
            raise StackFailed(f"Kafka does not hold everything: {lacking()} records are missing")
        try:
            await _read_from_the_beginning(bootstrap, topics, take, lacking)
        except ERRORS:
            await asyncio.sleep(0.3)  # the broker is away; it will be filled again


async def _read_from_the_beginning(
    bootstrap: str, topics: Sequence[str], take: Hear, lacking: Callable[[], object]
) -> None:
    """Take messages until nothing is lacking, or nothing has come for `QUIET` seconds: the broker may be another."""
    partitions = await partitions_of(bootstrap, topics)
    async with Reader(bootstrap) as reader:
        reader.start(dict.fromkeys(partitions, 0))
        heard = asyncio.get_running_loop().time()
        while lacking() and asyncio.get_running_loop().time() < heard + QUIET:
            for batch in (await reader.some(FETCHED)).values():
                heard = asyncio.get_running_loop().time()
                for message in batch:
                    take(message)


class _StoredRecord(msgspec.Struct):
    position: int
    record: Record
    service: str = ""


class _Records(msgspec.Struct):
    items: list[_StoredRecord]


def _records(answer: Answer) -> list[_StoredRecord]:
    """The records of an answer with their payload bytes as they were sent, never decoded and written anew."""
    return msgspec.json.decode(answer.content, type=_Records).items


async def read_stores(client: Client) -> list[Located]:
    """Every record of every service's own store, read from its log."""
    return [item for name in client.endpoints.services for item in await read_store(client, name)]


async def read_store(client: Client, service: str) -> list[Located]:
    """Every record of one service's own store."""
    located: list[Located] = []
    while True:
        after = located[-1].position if located else 0
        items = _records(await client.get("ops", service, f"/v1/log/records?after={after}&limit=1000"))
        if not items:
            return located
        located += [Located(service, item.position, item.record) for item in items]


class NoSuchClaim(StackFailed):
    """A source knows nothing of a claim."""


async def read_archive(client: Client, claim_id: str, as_of: datetime | None = None) -> History:
    """One claim's history as audit's archive tells it. Raises NoSuchClaim."""
    query = f"?as_of={quote(as_of.isoformat())}" if as_of else ""
    answer = await client.get("auditor", "audit", f"/v1/claims/{claim_id}/history{query}", expect=(404,))
    if answer.status == 404:
        raise NoSuchClaim(f"the archive knows no claim {claim_id}")
    located = [Located(item.service, item.position, item.record) for item in _records(answer)]
    return assemble(claim_id, located, as_of)


async def history(client: Client, claim_id: str, source: Source, as_of: datetime | None = None) -> History:
    """One claim's history from one source. Raises NoSuchClaim."""
    if source == "archive":
        return await read_archive(client, claim_id, as_of)
    if source == "kafka":
        located = (await read_kafka(client)).related(claim_id)
    else:
        located = await read_stores(client)
    found = assemble(claim_id, located, as_of)
    if not found.items:
        raise NoSuchClaim(f"{source} knows no claim {claim_id}" + (" at that time" if as_of else ""))
    return found


def bytes_of(found: History) -> list[tuple[str, int, bytes]]:
    """What two histories are compared by: where each record stands, and its canonical bytes."""
    return [(item.service, item.position, canonical(item.record)) for item in found.items]


class Comparison(msgspec.Struct, frozen=True):
    """`findings` is empty when Kafka, store and archive agree and the service shows what they say."""

    claim_id: str
    findings: tuple[str, ...]


async def compare(client: Client, claims: Iterable[str]) -> list[Comparison]:
    """Rebuild each claim from Kafka alone, and hold it against the store, the archive, and what subsidy shows."""
    kafka, from_store = await asyncio.gather(read_kafka(client), read_stores(client))
    store = city_of(from_store)

    async def one(claim_id: str) -> Comparison:
        try:
            rebuilt = assemble(claim_id, kafka.related(claim_id))
            stored = assemble(claim_id, store.related(claim_id))
        except msgspec.MsgspecError as error:
            return Comparison(claim_id, (f"事件无法读取：{error}",))
        try:
            archived = await read_archive(client, claim_id)
        except NoSuchClaim:
            return Comparison(claim_id, ("档案中没有此申请",))
        shown = await client.get("auditor", "subsidy", f"/v1/claims/{claim_id}")
        findings = differences(rebuilt.claim, shown.body)
        if bytes_of(rebuilt) != bytes_of(stored):
            findings.append("Kafka 与事件库不一致")
        if bytes_of(rebuilt) != bytes_of(archived):
            findings.append("Kafka 与档案不一致")
        return Comparison(claim_id, tuple(findings))

    return list(await asyncio.gather(*(one(claim_id) for claim_id in claims)))
