"""Signed heads: made with a key that stays in its file, checked with the public one."""

import stat
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given as every
from hypothesis import settings
from hypothesis import strategies as st

from shared.proof.heads import Head, SignedHead, Signer, verify_head

HEAD = Head(
    service="subsidy",
    log_id="0195",
    tree_size=7,
    root="5d",
    hash="sm3",
    signed_at=datetime(2025, 3, 3, 1, 2, 3, 456, tzinfo=UTC),
)


ANOTHER = Signer(Ed25519PrivateKey.generate(), "subsidy")


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer.from_file(tmp_path_factory.mktemp("keys") / "deep" / "log.pem", "subsidy")


def test_a_signed_head_is_verified_after_a_journey_as_json(signer: Signer) -> None:
    signed = signer.sign(HEAD)
    assert signed.key_id == "subsidy-log"
    arrived = msgspec.json.decode(msgspec.json.encode(signed), type=SignedHead)
    assert verify_head(arrived, signer.public_bytes)


@pytest.mark.parametrize(
    "change",
    [
        {"service": "loans"},
        {"log_id": "0196"},
        {"tree_size": 8},
        {"root": "5e"},
        {"hash": "sha256"},
        {"signed_at": HEAD.signed_at + timedelta(microseconds=1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_head_that_says_anything_else_is_not_the_signed_one(signer: Signer, change: dict[str, Any]) -> None:
    signed = signer.sign(HEAD)
    forged = msgspec.structs.replace(signed, head=msgspec.structs.replace(HEAD, **change))
    assert not verify_head(forged, signer.public_bytes)


@settings(max_examples=50, deadline=None)
@every(st.integers(0, 63), st.integers(1, 255))
def test_a_changed_byte_of_the_signature_is_no_signature(where: int, by: int) -> None:
    signature = bytearray(b64decode(ANOTHER.sign(HEAD).signature))
    assert verify_head(SignedHead(head=HEAD, key_id="x", signature=b64encode(signature).decode()), ANOTHER.public_bytes)
    signature[where] ^= by
    bent = SignedHead(head=HEAD, key_id="x", signature=b64encode(signature).decode())
    assert not verify_head(bent, ANOTHER.public_bytes)


@pytest.mark.parametrize("signature", ["", "AAAA", "***", "签名"])
def test_what_is_no_signature_at_all_is_false_and_no_error(signer: Signer, signature: str) -> None:
    assert not verify_head(SignedHead(head=HEAD, key_id="x", signature=signature), signer.public_bytes)


@pytest.mark.parametrize("key", [b"", b"short", bytes(32), bytes(33)])
def test_a_key_that_is_another_or_none_verifies_nothing(signer: Signer, key: bytes) -> None:
    assert not verify_head(signer.sign(HEAD), key)


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "log.pem"
    first = Signer.from_file(path, "subsidy")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Signer.from_file(path, "subsidy").public_bytes == first.public_bytes
    assert len(first.public_bytes) == 32


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with pytest.raises(TypeError, match="Ed25519"):
        Signer.from_file(path, "subsidy")
