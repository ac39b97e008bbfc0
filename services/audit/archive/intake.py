"""Into the archive: every record of every service, once, with what it mentions."""

import re
from collections.abc import Sequence

import asyncpg
import msgspec

from services.audit.intake.claims import ClaimAsTold, evolve
from shared.messaging.topics import Delivered

MENTIONED = re.compile(rb'"((?:clm|wle|crt|org|per)_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"')


async def archive_batch(connection: asyncpg.Connection, batch: Sequence[Delivered]) -> None:
    """The effect of audit's consumer."""
    await connection.executemany(
        "insert into archive (log_id, position, source, stream, version, type, occurred_at, record)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8)",
        [
            (
                item.log_id,
                item.position,
                item.source,
                item.record.stream,
                item.record.version,
                item.record.type,
                item.record.occurred_at,
                item.data,
            )
            for item in batch
        ],
    )
    await connection.executemany(
        "insert into mention (stream, log_id, position) values ($1, $2, $3) on conflict do nothing",
        [
            (stream.decode(), item.log_id, item.position)
            for item in batch
            for stream in {*MENTIONED.findall(bytes(item.record.payload))} - {item.record.stream.encode()}
        ],
    )
    await _update_claims(connection, [item for item in batch if item.record.stream.startswith("clm_")])


async def _update_claims(connection: asyncpg.Connection, batch: Sequence[Delivered]) -> None:
    if not batch:
        return
    claims = {item.record.stream for item in batch}
    rows = await connection.fetch("select claim_id, state from claim_view where claim_id = any ($1)", list(claims))
    states = {row["claim_id"]: msgspec.json.decode(row["state"], type=ClaimAsTold) for row in rows}
    for item in batch:
        states[item.record.stream] = evolve(states.get(item.record.stream, ClaimAsTold()), item.record)
    await connection.executemany(
        "insert into claim_view (claim_id, status, district, state) values ($1, $2, $3, $4)"
        " on conflict (claim_id) do update"
        " set status = excluded.status, district = excluded.district, state = excluded.state",
        [(id, state.status, state.district, msgspec.json.encode(state)) for id, state in sorted(states.items())],
    )
