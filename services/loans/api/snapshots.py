"""`/v1/whitelist/snapshots`: a bank's whitelist of one day, signed and never changed.   (A-12)

A bank takes a snapshot, verifies the digest and the signature of its head, and goes on with
`/v1/whitelist/changes?since=` from the head's `position`; changes that the snapshot already holds do no harm twice.
"""

import asyncio
from datetime import date, datetime

import asyncpg
import msgspec
from fastapi import Request
from fastapi.responses import Response

from services.loans.api.fields import SnapshotPath, acting_for
from shared.values.calendar import shanghai_date
from shared.values.ids import new_id, uuid7
from shared.web.answers import Page, gives
from shared.web.caller import allow
from shared.web.command import store_of, unknown
from shared.web.problem import of_rejection
from shared.web.routes import router
from shared.web.signing.declared import signed
from shared.web.signing.digests import sm3
from shared.web.signing.guard import Guard
from shared.web.signing.statements import Signature, signed_statement

api = router("白名单快照")

PURPOSE = "whitelist snapshot"
"""The first line of what is signed of a head."""
MOST = 100
"""How many heads a list shows, newest first: those of the last hundred days on which one was taken."""


class SnapshotHead(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed. `digest` is the SM3 of the content's bytes, hex; `as_of` is the business clock."""

    id: str
    bank: str
    taken_on: date
    as_of: datetime
    position: int
    entries: int
    hash: str
    digest: str


class SignedSnapshot(msgspec.Struct, frozen=True):
    """The shape of a `SignedStatement` whose statement is a head."""

    statement: SnapshotHead
    signatures: tuple[Signature, ...]


class SnapshotEntry(msgspec.Struct, frozen=True):
    entry_id: str
    person_id: str
    organisation_id: str
    valid_until: date


class SnapshotContent(msgspec.Struct, frozen=True):
    items: tuple[SnapshotEntry, ...]


@api.post(
    "/whitelist/snapshots",
    status_code=201,
    summary="生成当日白名单快照",
    description="每家银行每日一份，当日已有则返回原件（200）。",
)
@allow("bank:*")
@signed
@gives(SignedSnapshot)
@gives(SignedSnapshot, status=200)
async def take(request: Request) -> Response:
    """The head of today's snapshot, taken now if there is none yet."""
    bank, pool = acting_for(request, "bank"), store_of(request).pool
    now = await store_of(request).now()
    today = shanghai_date(now)
    found = await _of_day(pool, bank, today)
    if found is not None:
        return _json(found)
    row = await pool.fetchrow("select * from whitelist_of_bank($1, $2)", bank, today)
    head = SnapshotHead(
        id=new_id("wls", uuid7()),
        bank=bank,
        taken_on=today,
        as_of=now,
        position=row["position"],
        entries=row["entries"],
        hash="sm3",
        digest=(await asyncio.to_thread(sm3, row["content"])).hex(),
    )
    guard: Guard = request.app.state.signing
    statement = await signed_statement(PURPOSE, msgspec.json.encode(head), guard.keys, guard.scribe)
    made = await pool.fetchval(
        "insert into whitelist_snapshot (id, bank, taken_on, head, content) values ($1, $2, $3, $4, $5)"
        " on conflict (bank, taken_on) do nothing returning head",
        head.id,
        bank,
        today,
        msgspec.json.encode(statement),
        row["content"],
    )
    if made is not None:
        return _json(made, 201)
    first = await _of_day(pool, bank, today)
    assert first is not None
    return _json(first)


@api.get("/whitelist/snapshots", summary="白名单快照列表")
@allow("bank:*")
@signed
@gives(Page[SignedSnapshot])
async def listed(request: Request) -> Response:
    rows = await store_of(request).pool.fetch(
        "select head from whitelist_snapshot where bank = $1 order by taken_on desc limit $2",
        acting_for(request, "bank"),
        MOST,
    )
    return _json(b'{"items":[' + b",".join(row["head"] for row in rows) + b'],"next":null}')


@api.get("/whitelist/snapshots/{snapshot_id}", summary="白名单快照的摘要与签名")
@allow("bank:*")
@signed
@gives(SignedSnapshot)
async def read(request: Request, snapshot_id: SnapshotPath) -> Response:
    return _json(await _part(request, "head", snapshot_id))


@api.get("/whitelist/snapshots/{snapshot_id}/content", summary="白名单快照的内容")
@allow("bank:*")
@signed
@gives(SnapshotContent)
async def content(request: Request, snapshot_id: SnapshotPath) -> Response:
    """The bytes whose digest the head names."""
    return _json(await _part(request, "content", snapshot_id))


async def _of_day(pool: asyncpg.Pool, bank: str, day: date) -> bytes | None:
    head: bytes | None = await pool.fetchval(
        "select head from whitelist_snapshot where bank = $1 and taken_on = $2", bank, day
    )
    return head


async def _part(request: Request, column: str, snapshot_id: str) -> bytes:
    """A column of the bank's own snapshot; another bank's leads nowhere."""
    found: bytes | None = await store_of(request).pool.fetchval(
        f"select {column} from whitelist_snapshot where id = $1 and bank = $2",
        snapshot_id,
        acting_for(request, "bank"),
    )
    if found is None:
        raise of_rejection(unknown("白名单快照"))
    return found


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")
