"""Into the archive: every record of every service, once, with what it mentions."""

import re
from collections.abc import Sequence

import asyncpg
import msgspec

from services.audit.intake.claims import READABLE, ClaimAsTold, evolve
from shared.messaging.inbox import CannotHandle
from shared.messaging.topics import Delivered

MENTIONED = re.compile(rb'"((?:clm|wle|crt|org|per)_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"')


async def archive_batch(connection: asyncpg.Connection, batch: Sequence[Delivered]) -> None:
    """The effect of audit's consumer. What the archive has already, byte for byte, changes nothing."""
    await _keep(connection, batch)
    mentions = [
        (stream.decode(), item.record.log_id, item.position)
        for item in batch
        for stream in {*MENTIONED.findall(bytes(item.record.payload))} - {item.record.stream.encode()}
    ]
    if mentions:
        await connection.execute(
            "insert into mention (stream, log_id, position)"
            " select * from unnest($1::text[], $2::uuid[], $3::bigint[]) on conflict do nothing",
            *map(list, zip(*mentions, strict=True)),
        )
    await _update_claims(connection, [item for item in batch if item.record.stream.startswith("clm_")])


async def _keep(connection: asyncpg.Connection, batch: Sequence[Delivered]) -> None:
    records = [item.record for item in batch]
    places = [record.log_id for record in records], [item.position for item in batch]
    data = [item.data for item in batch]
    done: str = await connection.execute(
        "insert into archive (log_id, position, source, stream, version, type, occurred_at, record)"
        " select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::int[], $6::text[],"
        " $7::timestamptz[], $8::bytea[]) on conflict (log_id, position) do nothing",
        *places,
        [item.source for item in batch],
        [record.stream for record in records],
        [record.version for record in records],
        [record.type for record in records],
        [record.occurred_at for record in records],
        data,
    )
    if done == f"INSERT 0 {len(batch)}":
        return
    others = await connection.fetchval(
        "select count(*) from unnest($1::uuid[], $2::bigint[], $3::bytea[]) as b (log_id, position, record)"
        " join archive a on a.log_id = b.log_id and a.position = b.position where a.record <> b.record",
        *places,
        data,
    )
    if others:
        raise CannotHandle("档案在同一位置已存有另一条消息")


async def _update_claims(connection: asyncpg.Connection, batch: Sequence[Delivered]) -> None:
    if not batch:
        return
    await READABLE.effect(connection, batch)
    claims = {item.record.stream for item in batch}
    rows = await connection.fetch("select claim_id, state from claim_view where claim_id = any ($1)", list(claims))
    states = {row["claim_id"]: msgspec.json.decode(row["state"], type=ClaimAsTold) for row in rows}
    for item in batch:
        states[item.record.stream] = evolve(states.get(item.record.stream, ClaimAsTold()), item.record)
    changed = sorted(states.items())
    await connection.execute(
        "insert into claim_view (claim_id, status, district, state)"
        " select * from unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) on conflict (claim_id) do update"
        " set status = excluded.status, district = excluded.district, state = excluded.state",
        [claim_id for claim_id, _ in changed],
        [state.status for _, state in changed],
        [state.district for _, state in changed],
        [msgspec.json.encode(state) for _, state in changed],
    )
