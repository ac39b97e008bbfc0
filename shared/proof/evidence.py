"""Evidence for streams: everything under one signed head, so that records can be verified with no service to ask."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import NamedTuple

import asyncpg
import msgspec

from shared.eventstore.record import parse
from shared.proof.attestations import Attestation, SignedAttestation, attest, verify_attestation
from shared.proof.heads import Head, KeptHead, SignedHead, Signer, verify_head
from shared.proof.merkle import leaf_hash, root_from_inclusion
from shared.proof.tree import LogTree


class Included(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a stream, and its inclusion proof against the head (RFC 9162 2.1.3); hashes in hexadecimal."""

    position: int
    version: int
    leaf: str
    proof: tuple[str, ...]


class StreamEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """All events of a stream under the head, and the service's word that there are no more of them."""

    attestation: SignedAttestation
    events: tuple[Included, ...]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a service gives for some streams. A stream with no event under the head is not among them."""

    head: SignedHead
    streams: tuple[StreamEvidence, ...]


class Prover:
    """Gives evidence for the streams of a service's log.

    What stands at or below a signed size never changes, so its statements need no common snapshot.
    """

    def __init__(self, pool: asyncpg.Pool, signer: Signer) -> None:
        self._pool = pool
        self._signer = signer
        self._tree = LogTree(pool)

    async def attestation(self, stream: str, kept: KeptHead) -> SignedAttestation | None:
        """The attestation of a stream at the size of a head, or None when the stream has no event by then."""
        newest = await self._pool.fetchrow(
            "select version, leaf_hash from log where stream = $1 and position <= $2 order by version desc limit 1",
            stream,
            kept.tree_size,
        )
        return None if newest is None else self._attest(_head(kept), stream, newest["version"], newest["leaf_hash"])

    async def evidence(self, streams: Sequence[str], kept: KeptHead) -> Evidence:
        """Inclusion proofs and attestations of some streams under a signed head."""
        signed = msgspec.json.decode(kept.json, type=SignedHead)
        rows = await self._pool.fetch(
            "select stream, version, position from log where stream = any ($1) and position <= $2"
            " order by stream, version",
            streams,
            kept.tree_size,
        )
        included = await self._tree.inclusions([row["position"] for row in rows], kept.tree_size)
        events = [
            (
                row["stream"],
                Included(
                    position=item.position,
                    version=row["version"],
                    leaf=item.leaf.hex(),
                    proof=tuple(step.hex() for step in item.proof),
                ),
            )
            for row, item in zip(rows, included, strict=True)
        ]
        found = []
        for stream, group in groupby(events, key=lambda pair: pair[0]):
            own = tuple(event for _, event in group)
            attestation = self._attest(signed.head, stream, own[-1].version, bytes.fromhex(own[-1].leaf))
            found.append(StreamEvidence(attestation=attestation, events=own))
        return Evidence(head=signed, streams=tuple(found))

    def _attest(self, head: Head, stream: str, version: int, leaf: bytes) -> SignedAttestation:
        return attest(
            self._signer,
            Attestation(
                service=head.service,
                log_id=head.log_id,
                stream=stream,
                version=version,
                leaf=leaf.hex(),
                tree_size=head.tree_size,
                root=head.root,
                hash=head.hash,
                signed_at=datetime.now(UTC),
            ),
        )


def _head(kept: KeptHead) -> Head:
    return msgspec.json.decode(kept.json, type=SignedHead).head


class Verified(NamedTuple):
    """What evidence proves: how many steps lead from each position to the head; what is wrong, in zh-CN.

    A record that stands beyond the head is neither proved nor wrong: a newer head will cover it.
    """

    steps: dict[int, int]
    findings: list[str]


def verify_evidence(
    evidence: Evidence, public_key: bytes, records: Iterable[tuple[int, bytes]], whole: Collection[str] = ()
) -> Verified:
    """Hold the records of one service (position and canonical bytes) against its evidence, offline.

    Of the streams in `whole` every attested event has to be among the records.
    """
    head = evidence.head.head
    if not verify_head(evidence.head, public_key):
        return Verified({}, ["日志头的签名无效"])
    findings: list[str] = []
    proved: dict[int, Included] = {}
    for stream in evidence.streams:
        findings += _stream_findings(stream, head, public_key)
        for event in stream.events:
            if _leads_to(head, event):
                proved[event.position] = event
            else:
                findings.append(f"位置 {event.position} 的包含性证明不成立")
    steps: dict[int, int] = {}
    given = {position: data for position, data in records if position <= head.tree_size}
    for position, data in given.items():
        found = proved.get(position)
        if found is None:
            findings.append(f"位置 {position} 没有包含性证明")
        elif found.leaf != leaf_hash(data).hex():
            findings.append(f"位置 {position} 的记录与被证明的叶散列不符")
        else:
            steps[position] = len(found.proof)
    findings += _missing(evidence, given, whole)
    return Verified(steps, findings)


def _leads_to(head: Head, event: Included) -> bool:
    try:
        leaf, proof = bytes.fromhex(event.leaf), [bytes.fromhex(step) for step in event.proof]
    except ValueError:
        return False
    found = root_from_inclusion(event.position - 1, head.tree_size, leaf, proof)
    return found is not None and found.hex() == head.root


def _stream_findings(evidence: StreamEvidence, head: Head, public_key: bytes) -> list[str]:
    said = evidence.attestation.attestation
    if not verify_attestation(evidence.attestation, public_key):
        return [f"{said.stream} 的完整性声明签名无效"]
    if (said.service, said.log_id, said.tree_size, said.root) != (
        head.service, head.log_id, head.tree_size, head.root,
    ):  # fmt: skip
        return [f"{said.stream} 的完整性声明说的不是这个日志头"]
    versions = [event.version for event in evidence.events]
    if versions != list(range(1, said.version + 1)) or evidence.events[-1].leaf != said.leaf:
        return [f"{said.stream} 的完整性声明与所附的事件不符"]
    return []


def _missing(evidence: Evidence, given: dict[int, bytes], whole: Collection[str]) -> list[str]:
    """What was attested of the streams that should be whole, and is not among the records."""
    named = {stream.attestation.attestation.stream: stream for stream in evidence.streams}
    findings = []
    for name in whole:
        own = [record for record in map(parse, given.values()) if record.stream == name]
        if name not in named:
            findings += [f"{name} 没有完整性声明"] if own else []
        elif missing := named[name].attestation.attestation.version - len({record.version for record in own}):
            findings.append(f"{name} 缺少 {missing} 个已声明的事件")
    return findings
