"""Logs made at random from a seed, the heads that their service signs, and what a forger does to them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.eventstore.record import Actor, Record, canonical, parse
from shared.proof.findings import Entry
from shared.proof.heads import Head, SignedHead, Signer
from shared.proof.merkle import leaf_hash, tree_root

LOG = UUID(int=0x5EED)
SERVICE = Signer(Ed25519PrivateKey.generate(), "subsidy")
STRANGER = Signer(Ed25519PrivateKey.generate(), "subsidy")
KEYS = (SERVICE.public_bytes,)
MOMENT = datetime(2025, 3, 3, 1, 2, 3, 456789, tzinfo=UTC)


def record(random: Random, stream: str, version: int, log_id: UUID = LOG) -> bytes:
    """The canonical bytes of an event with everything about it made up."""
    payload = {"type": "test.Moved.v1", "by": random.randrange(10**6), "why": f"{random.randrange(10**9):09} 元"}
    return canonical(
        Record(
            id=UUID(int=random.getrandbits(128)),
            stream=stream,
            version=version,
            log_id=log_id,
            type="test.Moved.v1",
            recorded_at=MOMENT + timedelta(seconds=random.randrange(10**6)),
            occurred_at=MOMENT + timedelta(seconds=random.randrange(10**6)),
            actor=Actor("app", f"usr_{random.randrange(10**9):09}", None),
            causation_id=None,
            correlation_id=UUID(int=random.getrandbits(128)),
            traceparent=None,
            payload=msgspec.Raw(msgspec.json.encode(payload)),
        )
    )


def log_of(random: Random, size: int) -> list[bytes]:
    """A log of some streams, interleaved."""
    return grown(random, [], size)


def grown(random: Random, log: Sequence[bytes], by: int) -> list[bytes]:
    """A log after more events, each the next of a known stream or the first of a new one."""
    versions: dict[str, int] = {}
    for data in log:
        versions[parse(data).stream] = parse(data).version
    more = list(log)
    for _ in range(by):
        stream = f"acc_{random.randrange(len(versions) + 2)}"
        versions[stream] = versions.get(stream, 0) + 1
        more.append(record(random, stream, versions[stream]))
    return more


def leaves_of(log: Sequence[bytes]) -> list[bytes]:
    return [leaf_hash(data) for data in log]


def copy_of(log: Sequence[bytes]) -> list[Entry]:
    """A copy with positions and leaves as a service would keep them for these records."""
    return [Entry(position, data, leaf_hash(data)) for position, data in enumerate(log, 1)]


def head_of(leaves: Sequence[bytes], size: int, by: Signer = SERVICE) -> SignedHead:
    """The signed head of a log at a size."""
    head = Head(
        service="subsidy",
        log_id=str(LOG),
        tree_size=size,
        root=tree_root(leaves[:size]).hex(),
        hash="sm3",
        signed_at=MOMENT,
    )
    return by.sign(head)


REGIONS = ((b'"recorded_at":"', 26), (b'"occurred_at":"', 26), (b'"client":"', 3), (b'"user":"', 13), (b'"why":"', 9))


def with_a_byte_changed(random: Random, data: bytes) -> bytes:
    """Another letter or digit somewhere in the payload, the actor or a timestamp."""
    mark, length = random.choice(REGIONS)
    at = data.index(mark) + len(mark) + random.randrange(length)
    other = random.choice([sign for sign in b"0123456789abcxyz" if sign != data[at]])
    return data[:at] + bytes([other]) + data[at + 1 :]
