"""Attestations: a service's signed word that it has shown all of a stream.

A Merkle log proves what is in it, never that nothing was left out. So the service signs which event of a stream is the
newest at a size of its log; a later-found event that should have been there is evidence against it.
"""

from datetime import datetime

import msgspec

from shared.eventstore.record import Record, canonical
from shared.proof.heads import Signer, is_signature
from shared.proof.merkle import leaf_hash

PURPOSE = b"huchuang stream attestation v1\n"
"""What the signed bytes start with, so that an attestation is never taken for a head, nor a head for one."""


class Attestation(msgspec.Struct, frozen=True, kw_only=True):
    """In the log of `tree_size` events, whose root is `root`, the newest event of `stream` is `version`, with `leaf`.

    What is signed: `PURPOSE`, then the JSON of this struct, byte for byte. `signed_at` is the wall clock, UTC.
    """

    service: str
    log_id: str
    stream: str
    version: int
    leaf: str
    tree_size: int
    root: str
    hash: str
    signed_at: datetime


class SignedAttestation(msgspec.Struct, frozen=True, kw_only=True):
    """An attestation, and an Ed25519 signature with the key that signs the log's heads."""

    attestation: Attestation
    key_id: str
    signature: str


def attest(signer: Signer, attestation: Attestation) -> SignedAttestation:
    return SignedAttestation(
        attestation=attestation, key_id=signer.key_id, signature=signer.signature(_message(attestation))
    )


def verify_attestation(signed: SignedAttestation, public_key: bytes) -> bool:
    """Whether the signature over an attestation is that of `public_key` (32 bytes, Ed25519)."""
    return is_signature(signed.signature, _message(signed.attestation), public_key)


def contradicts(attestation: Attestation, record: Record, position: int) -> bool:
    """Whether a record of the same log is evidence that an attestation was false.

    It is, when it stands within the attested size and is newer than the attested newest of its stream, or another one
    in its place. That it stands there has to be proved too, by its inclusion in a head of that log.
    """
    if (record.stream, str(record.log_id)) != (attestation.stream, attestation.log_id):
        return False
    if position > attestation.tree_size or record.version < attestation.version:
        return False
    return record.version > attestation.version or leaf_hash(canonical(record)).hex() != attestation.leaf


def _message(attestation: Attestation) -> bytes:
    return PURPOSE + msgspec.json.encode(attestation)
