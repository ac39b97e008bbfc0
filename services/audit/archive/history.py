"""The whole history of a claim across services: its own events, what they rest on, and what came of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg
import msgspec

from services.audit.intake.claims import ClaimAsTold, fold
from shared.eventstore.record import Record, canonical, parse
from shared.proof.merkle import leaf_hash


class Located(NamedTuple):
    """A record and where it stands: the service and the position in its log."""

    service: str
    position: int
    record: Record

    @property
    def leaf(self) -> str:
        """The hash by which the service's Merkle log knows this record."""
        return leaf_hash(canonical(self.record)).hex()


class History(NamedTuple):
    """All records that belong to a claim in order of the business clock, and the claim as its own events tell it."""

    claim: ClaimAsTold
    items: Sequence[Located]

    @property
    def own(self) -> list[Located]:
        """The records of the claim's own stream, in order of version."""
        found = [item for item in self.items if item.record.stream == self.claim.claim_id]
        return sorted(found, key=lambda item: item.record.version)


FOUNDATIONS = ("per_", "org_", "crt_")


def assemble(claim_id: str, located: Iterable[Located], as_of: datetime | None = None) -> History:
    """The history from records of any source: the claim's stream, what mentions it, and what it rests on.

    Of foundations (person, organisation, certificate) only what the claim's own first event names is taken, and a
    record that mentions the claim belongs to it whichever service wrote it.
    """
    records = [item for item in located if as_of is None or item.record.occurred_at <= as_of]
    own = sorted((item for item in records if item.record.stream == claim_id), key=lambda item: item.record.version)
    claim = fold(item.record for item in own)
    foundations = {claim.person_id, claim.organisation_id, claim.certificate_id}
    mark = f'"{claim_id}"'.encode()
    belonging = {
        (item.service, item.position): item
        for item in records
        if item.record.stream == claim_id or item.record.stream in foundations or mark in bytes(item.record.payload)
    }
    ordered = sorted(
        belonging.values(),
        key=lambda item: (item.record.occurred_at, item.record.recorded_at, item.service, item.position),
    )
    return History(claim, ordered)


async def from_archive(pool: asyncpg.Pool, claim_id: str, as_of: datetime | None = None) -> History | None:
    """A claim's history from the archive, or None when the archive has no such claim."""
    state = await pool.fetchval("select state from claim_view where claim_id = $1", claim_id)
    if state is None:
        return None
    claim = msgspec.json.decode(state, type=ClaimAsTold)
    rows = await pool.fetch(
        "select a.source, a.position, a.record from archive a where a.stream = any ($1)"
        " union select a.source, a.position, a.record from mention m"
        " join archive a on a.log_id = m.log_id and a.position = m.position where m.stream = $2",
        [claim_id, claim.person_id, claim.organisation_id, claim.certificate_id],
        claim_id,
    )
    located = (Located(row["source"], row["position"], parse(row["record"])) for row in rows)
    return assemble(claim_id, located, as_of)
