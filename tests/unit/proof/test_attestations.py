"""Attestations: bound to their purpose and to every word, and contradicted by exactly what they deny."""

from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

import msgspec
import pytest

from shared.eventstore.record import Record, parse
from shared.proof.attestations import PURPOSE, Attestation, SignedAttestation, attest, contradicts, verify_attestation
from shared.proof.heads import Head, SignedHead, is_signature, verify_head
from shared.proof.merkle import leaf_hash
from tests.unit.proof.logs import LOG, SERVICE, STRANGER, record

STREAM = "acc_1"
NEWEST = record(Random(3), STREAM, 3)
SAID = Attestation(
    service="subsidy",
    log_id=str(LOG),
    stream=STREAM,
    version=3,
    leaf=leaf_hash(NEWEST).hex(),
    tree_size=40,
    root="5d",
    hash="sm3",
    signed_at=datetime(2025, 3, 3, 1, 2, 3, 456, tzinfo=UTC),
)


def test_a_signed_attestation_is_verified_after_a_journey_as_json() -> None:
    arrived = msgspec.json.decode(msgspec.json.encode(attest(SERVICE, SAID)), type=SignedAttestation)
    assert arrived.key_id == "subsidy-log"
    assert verify_attestation(arrived, SERVICE.public_bytes)
    assert not verify_attestation(arrived, STRANGER.public_bytes)
    assert not verify_attestation(msgspec.structs.replace(arrived, signature="签名"), SERVICE.public_bytes)


@pytest.mark.parametrize(
    "change",
    [
        {"service": "loans"},
        {"log_id": "0196"},
        {"stream": "acc_2"},
        {"version": 4},
        {"leaf": "00"},
        {"tree_size": 41},
        {"root": "5e"},
        {"hash": "sha256"},
        {"signed_at": datetime(2026, 3, 3, tzinfo=UTC)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_attestation_that_says_anything_else_is_not_the_signed_one(change: dict[str, Any]) -> None:
    forged = msgspec.structs.replace(attest(SERVICE, SAID), attestation=msgspec.structs.replace(SAID, **change))
    assert not verify_attestation(forged, SERVICE.public_bytes)


def test_a_head_is_never_an_attestation_nor_an_attestation_a_head() -> None:
    signed = attest(SERVICE, SAID)
    fields = {name: getattr(SAID, name) for name in ("service", "log_id", "tree_size", "root", "hash", "signed_at")}
    as_head = SignedHead(head=Head(**fields), key_id=signed.key_id, signature=signed.signature)
    assert not verify_head(as_head, SERVICE.public_bytes)
    head = SERVICE.sign(as_head.head)
    assert not verify_attestation(
        SignedAttestation(attestation=SAID, key_id=head.key_id, signature=head.signature), SERVICE.public_bytes
    )
    without_purpose = SERVICE.signature(msgspec.json.encode(SAID))
    assert not verify_attestation(msgspec.structs.replace(signed, signature=without_purpose), SERVICE.public_bytes)
    assert is_signature(signed.signature, PURPOSE + msgspec.json.encode(SAID), SERVICE.public_bytes)
    assert not PURPOSE.startswith(msgspec.json.encode(as_head.head)[:1])


def told(version: int, stream: str = STREAM, log_id: UUID = LOG, seed: int = 1) -> Record:
    return parse(record(Random(seed), stream, version, log_id))


@pytest.mark.parametrize(
    ("record", "position", "evidence"),
    [
        (told(4), 40, True),
        (told(4), 1, True),
        (told(9), 33, True),
        (told(3), 40, True),
        (told(4), 41, False),
        (parse(NEWEST), 40, False),
        (told(2), 40, False),
        (told(4, stream="acc_2"), 40, False),
        (told(4, log_id=UUID(int=1)), 40, False),
    ],
    ids=[
        "a newer one within the size",
        "a newer one far within",
        "one much newer",
        "another one of the same version",
        "a newer one beyond the size",
        "the attested one",
        "an older one",
        "one of another stream",
        "one of another log",
    ],
)
def test_what_should_have_been_attested_is_evidence_and_nothing_else_is(
    record: Record, position: int, evidence: bool
) -> None:
    assert contradicts(SAID, record, position) is evidence
