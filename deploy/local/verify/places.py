"""Everything that may hold nothing personal: every column of every table, topics, files, metrics, what banks get."""

from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx
import msgspec
from aiokafka.structs import ConsumerRecord

from deploy.local.client import Client
from deploy.local.histories import hear_events, read_heads_topic
from deploy.local.settings import StackSettings
from shared.eventstore.store import VIEWED, answer_name
from shared.messaging.reader import is_hollow
from shared.vault.boxes import Unreadable
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey

TABLES = """
    select n.nspname as schema, c.relname as name,
           array_agg(a.attname::text order by a.attnum) as columns,
           array_agg(format_type(a.atttypid, null) order by a.attnum) as types
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
    where c.relkind in ('r', 'm') and a.attnum > 0 and not a.attisdropped
      and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'
    group by 1, 2 order by 1, 2
"""
AS_THEY_ARE = ("bytea", "bytea[]")
"""Types whose bytes are looked at; whatever else there is, is looked at as text."""
PAGE = 2000


class Text(NamedTuple):
    """A text and the place that holds it, in zh-CN."""

    place: str
    content: bytes


class Unsealed(NamedTuple):
    """What a table holds that should be sealed, and is not."""

    place: str


class Undecoded(NamedTuple):
    """A message that nobody can unpack, so that nobody can say what is in it."""

    place: str


async def in_tables(service: str, database: str) -> AsyncIterator[Text | Unsealed]:
    """Every value of every column of a service's database."""
    connection = await asyncpg.connect(database)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            for table in await connection.fetch(TABLES):
                async for text in _in_table(connection, service, table):
                    yield text
    finally:
        await connection.close()


async def _in_table(connection: asyncpg.Connection, service: str, table: Any) -> AsyncIterator[Text]:
    places = [f"{service} 库 {table['name']}.{column}" for column in table["columns"]]
    selected = [
        f'"{column}"' if type in AS_THEY_ARE else f'"{column}"::text'
        for column, type in zip(table["columns"], table["types"], strict=True)
    ]
    query = f'select {", ".join(selected)} from "{table["schema"]}"."{table["name"]}"'
    async for row in connection.cursor(query, prefetch=PAGE):
        for place, value in zip(places, row, strict=True):
            for content in _contents(value):
                yield Text(place, content)


def _contents(value: Any) -> Iterable[bytes]:
    match value:
        case None:
            return ()
        case bytes():
            return (value,)
        case str():
            return (value.encode(),)
        case _:
            return (content for item in value for content in _contents(item))


async def in_answers(settings: StackSettings, service: str) -> AsyncIterator[Text | Unsealed]:
    """What is kept for repeated requests, opened with the service's own keys."""
    place = f"{service} 库 idempotency.answer"
    master = settings.secret(service, "master.key")
    keyring = Keyring(FileMasterKey(master)) if master.parent.exists() else None
    connection = await asyncpg.connect(settings.databases[service])
    try:
        for row in await connection.fetch("select client, key, answer from idempotency where answer is not null"):
            if row["answer"].startswith(VIEWED):
                continue
            try:
                if keyring is None:
                    raise Unreadable("no key")
                opened = keyring.open_answer(row["answer"], answer_name(row["client"], row["key"]))
            except Unreadable:
                yield Unsealed(place)
            else:
                yield Text(f"{place}（启封后）", opened)
    finally:
        await connection.close()


async def in_topics(client: Client, settings: StackSettings) -> list[Text | Undecoded]:
    """Every message of every topic, with its key and its headers."""
    heard: dict[tuple[str, int, int], Text | Undecoded] = {}

    def hear(message: ConsumerRecord) -> None:
        at = message.topic, message.partition, message.offset
        if is_hollow(message):
            heard[at] = Undecoded(f"Kafka {message.topic}")
            return
        headers = (part for name, value in message.headers for part in (name.encode(), value or b""))
        content = b"\n".join((message.key or b"", *headers, message.value or b""))
        heard[at] = Text(f"Kafka {message.topic}", content)

    await hear_events(client, hear)
    await read_heads_topic(client, {name: await _newest_head(dsn) for name, dsn in settings.databases.items()}, hear)
    return list(heard.values())


async def _newest_head(database: str) -> int:
    connection = await asyncpg.connect(database)
    try:
        size: int = await connection.fetchval("select coalesce(max(tree_size), 0) from signed_head")
    finally:
        await connection.close()
    return size


def in_files(directory: Path, settings: StackSettings) -> Iterator[Text]:
    """Logs, traces and what services keep in files, line by line."""
    for folder in (directory / "logs", directory / "traces", Path(settings.data)):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue  # replaced by another meanwhile
            for line in content.splitlines():
                yield Text(f"{folder.name}/{path.relative_to(folder)}", line)


async def in_answers_to_all(client: Client) -> list[Text]:
    """Metrics, and the changes of the whitelist as each bank gets them."""
    texts = []
    async with httpx.AsyncClient(trust_env=False) as http:
        for name, url in client.endpoints.services.items():
            texts.append(Text(f"{name} /metrics", (await http.get(f"{url}/metrics")).content))
    for bank in [role for role in client.endpoints.tokens if role.startswith("bank:")]:
        since: str | None = "0"
        while since is not None:
            page = await client.get(bank, "loans", f"/v1/whitelist/changes?since={since}")
            texts.append(Text("loans /v1/whitelist/changes", page.content))
            since = msgspec.json.decode(page.content)["next"]
    return texts
