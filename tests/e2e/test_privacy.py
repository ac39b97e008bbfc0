"""The sixth invariant can fail: a value in any kind of place is found, and the place named without repeating it."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import asyncpg
import msgspec
import pytest

from deploy.local import settings
from deploy.local.client import Client
from deploy.local.demo.run import Outcome
from deploy.local.verify.privacy import check_privacy, values_of
from shared.eventstore.store import answer_name
from shared.eventstore.work import Answer
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey

pytestmark = pytest.mark.stack

SERVICE = "notify"
ELSEWHERE = "loans"
MARK = "e2e-planted"


class Slip(NamedTuple):
    """A row that should not be, marked, with the value in one column: `$1` as text, `$2` in JSON."""

    column: str
    columns: str
    values: str

    @property
    def table(self) -> str:
        return self.column.partition(".")[0]

    @property
    def place(self) -> str:
        return f"{SERVICE} 库 {self.column} 中可读到个人信息（1 处：明文）"


OPERATION = "id, kind, status, client, input"
PARKED = "consumer, source, stream, record, reason"
SLIPS = (
    Slip("listing.body", "kind, id, facets, body, version, build", f"'{MARK}', 'a', '{{}}', $2, 1, 0"),
    Slip("listing.facets", "kind, id, facets, body, version, build", f"'{MARK}', 'b', array['x', $1], '', 1, 0"),
    Slip("inline_row.value", "view, key, value", f"'{MARK}', 'a', $2"),
    Slip("inline_row.key", "view, key, value", f"'{MARK}', $1, ''"),
    Slip("fact.value", "kind, key, value, log_id, position", f"'{MARK}', 'a', $2, gen_random_uuid(), 1"),
    Slip("operation.input", OPERATION, f"'a', '{MARK}', 'succeeded', 'x', $2"),
    Slip("operation.result", f"{OPERATION}, result", f"'b', '{MARK}', 'succeeded', 'x', '', $2"),
    Slip("operation.problem", f"{OPERATION}, problem", f"'c', '{MARK}', 'failed', 'x', '', $2"),
    Slip("parked.record", PARKED, f"'{MARK}', 's', 's', $2, 'r'"),
    Slip("parked.reason", PARKED, f"'{MARK}', 's', 's', '', 'not a name: ' || $1"),
    Slip("timer.payload", "process, key, due_at, payload", f"'{MARK}', 'a', '2999-01-01', $2"),
    Slip("limit_unique.key", "scope, key", f"'{MARK}', 'holder/' || $1"),
    Slip("subject_key.wrapped", "subject, wrapped", f"'{MARK}', $2"),
    Slip("event.actor_user", "stream, version, id, type, recorded_at, occurred_at, actor_client, actor_user,"
         " correlation_id, payload", f"'{MARK}', 1, gen_random_uuid(), 't', now(), now(), 'c', $1,"
         " gen_random_uuid(), ''"),
)  # fmt: skip
MARKED_BY = {
    "listing": "kind", "inline_row": "view", "fact": "kind", "operation": "kind", "parked": "consumer",
    "timer": "process", "limit_unique": "scope", "subject_key": "subject", "event": "stream", "idempotency": "client",
}  # fmt: skip


@asynccontextmanager
async def database(directory: Path, service: str, *undo: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a service's database; at the end what was done is undone."""
    connection = await asyncpg.connect(settings.read(directory).databases[service])
    try:
        yield connection
    finally:
        for statement in undo:
            await connection.execute(statement)
        await connection.close()


@pytest.fixture
def values(demonstrated: Outcome, directory: Path) -> list[str]:
    """A number, and a name."""
    every = values_of(directory)
    return [every[0], every[-1]]


async def found(client: Client, directory: Path, values: list[str]) -> list[str]:
    checked = await check_privacy(client, directory)
    assert not any(value in finding for value in values for finding in checked.findings)
    return checked.findings


async def test_a_value_in_any_kind_of_row_is_found_and_its_column_named(
    client: Client, directory: Path, values: list[str]
) -> None:
    undo = [f"delete from {table} where {column} = '{MARK}'" for table, column in MARKED_BY.items()]
    number, name = values
    async with database(directory, SERVICE, *undo) as connection:
        for slip in SLIPS:
            given = number if "$1" in slip.values else json.dumps({"x": name}, ensure_ascii=False).encode()
            into = slip.values.replace("$1", "$1::text").replace("$2", "$1::bytea")
            await connection.execute(f"insert into {slip.table} ({slip.columns}) values ({into})", given)
        assert await found(client, directory, values) == sorted(slip.place for slip in SLIPS)
    assert await found(client, directory, values) == []


async def test_a_table_that_is_made_tomorrow_is_looked_at_in_every_spelling(
    client: Client, directory: Path, values: list[str]
) -> None:
    _, name = values
    async with database(directory, ELSEWHERE, "drop table planted") as connection:
        await connection.execute(
            "create table planted (as_json jsonb, as_text varchar, as_bytes bytea, in_gb bytea, in_url text, hex text)"
        )
        await connection.execute(
            "insert into planted values ($1, $2, $3, $4, $5, $6)",
            *(json.dumps([{"deep": name}]), json.dumps(name), b64encode(b"x" + name.encode())),
            *(name.encode("gb18030") + b"\xff", f"/v1/persons?name={quote(name)}", name.encode().hex()),
        )
        spelt = {"as_json": "明文", "as_text": "JSON 转义", "as_bytes": "Base64", "in_gb": "GB18030"}
        spelt |= {"in_url": "URL 编码", "hex": "十六进制"}
        assert await found(client, directory, values) == sorted(
            f"{ELSEWHERE} 库 planted.{column} 中可读到个人信息（1 处：{name}）" for column, name in spelt.items()
        )


async def test_a_stored_answer_is_opened_and_must_be_sealed(client: Client, directory: Path, values: list[str]) -> None:
    keyring = Keyring(FileMasterKey(settings.read(directory).secret(SERVICE, "master.key")))
    clear = msgspec.msgpack.encode(Answer(200, json.dumps({"name": values[1]}, ensure_ascii=False).encode(), "x", 1))
    store = "insert into idempotency (client, key, fingerprint, answer, expires_at) values ($1, $2, '', $3, 'infinity')"
    place = f"{SERVICE} 库 idempotency.answer"
    async with database(directory, SERVICE, f"delete from idempotency where client = '{MARK}'") as connection:
        await connection.execute(store, MARK, "sealed", keyring.seal_answer(clear, answer_name(MARK, "sealed")))
        assert await found(client, directory, values) == [f"{place}（启封后） 中可读到个人信息（1 处：明文）"]
        await connection.execute(store, MARK, "clear", clear)
        assert await found(client, directory, values) == [
            f"{place} 中可读到个人信息（1 处：明文）",
            f"{place}（启封后） 中可读到个人信息（1 处：明文）",
            f"{place} 有 1 个答复未封存",
        ]


@pytest.mark.parametrize("folder", ["logs", "traces"])
async def test_a_value_in_a_log_or_a_trace_is_found(
    client: Client, directory: Path, values: list[str], folder: str
) -> None:
    number, name = values
    planted = directory / folder / "planted.jsonl"
    line = {"event": "request", "attributes": {"url.path": f"/v1/persons/{quote(name)}"}, "told": [number, name]}
    try:
        planted.write_text(json.dumps({"event": "good"}) + "\n" + json.dumps(line) + "\n")
        told = await found(client, directory, values)
        assert told == [f"{folder}/planted.jsonl 中可读到个人信息（1 处：JSON 转义、URL 编码、明文）"]
        planted.write_bytes(f"姓名 {name}".encode("gb18030"))
        assert await found(client, directory, values) == [f"{folder}/planted.jsonl 中可读到个人信息（1 处：GB18030）"]
    finally:
        planted.unlink()
    assert await found(client, directory, values) == []
