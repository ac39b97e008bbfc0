"""What proves a history: evidence of the services that own its streams, and what holds of it."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from services.audit.archive.history import History, Located
from shared.eventstore.record import canonical
from shared.proof.evidence import Evidence, Verified, verify_evidence
from shared.web.peers import Peers

AT_ONCE = 20
"""For how many streams a service gives evidence in one answer."""


class LogProof(msgspec.Struct, frozen=True, kw_only=True):
    """One service's part of the proof of a history. `evidence` is null while its log has no signed head.

    `ed25519` is the key that the service names (hexadecimal); who verifies offline compares it with the one he knows.
    """

    service: str
    ed25519: str
    evidence: Evidence | None

    def verify(self, history: History) -> Verified:
        """Hold the history's records of this service against its evidence; the claim's own stream and those that it
        rests on are in it whole."""
        if self.evidence is None:
            return Verified({}, [])
        claim = history.claim
        mine = [item for item in history.items if item.service == self.service]
        whole = {claim.claim_id, claim.person_id, claim.organisation_id, claim.certificate_id}
        whole &= {item.record.stream for item in mine}
        records = [(item.position, canonical(item.record)) for item in mine]
        return verify_evidence(self.evidence, bytes.fromhex(self.ed25519), records, whole)


async def prove(peers: Peers, history: History) -> list[LogProof]:
    """Ask every service that has a part in a history for evidence. Raises `PeerUnavailable`."""
    parts: dict[str, list[Located]] = defaultdict(list)
    for item in history.items:
        parts[item.service].append(item)
    return list(
        await asyncio.gather(
            *(
                _prove(peers, service, sorted({item.record.stream for item in items}))
                for service, items in sorted(parts.items())
            )
        )
    )


async def _prove(peers: Peers, service: str, streams: Sequence[str]) -> LogProof:
    key: Any = await peers.get(service, "/v1/log/key")
    found: Evidence | None = None
    for start in range(0, len(streams), AT_ONCE):
        query = [("stream", stream) for stream in streams[start : start + AT_ONCE]]
        if found is not None:
            query.append(("tree_size", str(found.head.head.tree_size)))  # all of it under one head
        answer = await peers.get(service, f"/v1/log/proofs?{urlencode(query)}")
        if answer is None:
            return LogProof(service=service, ed25519=key["ed25519"], evidence=None)
        more = msgspec.convert(answer, Evidence)
        found = more if found is None else Evidence(head=found.head, streams=(*found.streams, *more.streams))
    return LogProof(service=service, ed25519=key["ed25519"], evidence=found)
