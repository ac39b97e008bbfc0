"""`claim_snapshot`: every claim as a simulation judges it, kept row by row as the log goes on."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
from msgspec.structs import astuple

from services.subsidy.domain.snapshot import EVENTS, JudgedFacts, Snapshot, evolve
from shared.eventstore.follower import Apply
from shared.eventstore.projections import Projection
from shared.eventstore.reader import Sequenced
from shared.eventstore.record import EventTypes, tag_of

SNAPSHOTS = "snapshots"
VERSION = 1
"""Raised with any change of what a row is: the snapshots are then built anew beside the live ones."""

COLUMNS = ", ".join(Snapshot.__struct_fields__)
_READ = f"select id, {COLUMNS} from claim_snapshot where build = $1 and id = any ($2)"
_WRITE = (
    f"insert into claim_snapshot (build, id, {COLUMNS}) select $1, * from unnest("
    "$2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::numeric[], $9::boolean[], $10::bytea[]"
    ") on conflict (build, id) do update set programme = excluded.programme, district = excluded.district,"
    " month = excluded.month, standing = excluded.standing, policy_version = excluded.policy_version,"
    " amount = excluded.amount, payee_matches = excluded.payee_matches, facts = excluded.facts"
)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(JudgedFacts)
decode_facts = _decoder.decode
"""The facts of a row, from the bytes in it."""


def snapshots(types: EventTypes) -> Projection:
    """The projection, as the service's wiring names it."""
    wanted = frozenset(map(tag_of, EVENTS))

    def apply(build: int) -> Apply:
        async def applied(connection: asyncpg.Connection, batch: Sequence[Sequenced]) -> None:
            records = [item.record for item in batch if types.newest(item.record.type) in wanted]
            if not records:
                return
            known = await _read(connection, build, list({record.stream for record in records}))
            for record in records:
                event = types.decode(record.type, record.payload)
                known[record.stream] = evolve(known.get(record.stream) or Snapshot(), event)
            await _write(connection, build, known)

        return applied

    return Projection(SNAPSHOTS, VERSION, apply, "forget_retired_snapshots")


async def _read(connection: asyncpg.Connection, build: int, claims: Sequence[str]) -> dict[str, Snapshot]:
    rows = await connection.fetch(_READ, build, claims)
    return {row[0]: _snapshot(*row[1:]) for row in rows}


def _snapshot(*columns: Any) -> Snapshot:
    values = dict(zip(Snapshot.__struct_fields__, columns, strict=True))
    facts = values.pop("facts")
    return Snapshot(**values, facts=None if facts is None else _decoder.decode(facts))


async def _write(connection: asyncpg.Connection, build: int, found: dict[str, Snapshot]) -> None:
    ordered = sorted(found.items())
    columns = list(zip(*(astuple(snapshot) for _, snapshot in ordered), strict=True))
    facts = [None if item is None else _encoder.encode(item) for item in columns.pop()]
    await connection.execute(_WRITE, build, [id for id, _ in ordered], *map(list, columns), facts)
