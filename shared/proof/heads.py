"""Signed heads: the size and root of a service's log, signed at intervals, so that whoever holds one can tell later
whether the log was rewritten or cut."""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import asyncpg
import msgspec
import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.eventstore.lease import Lease
from shared.eventstore.reader import LogReader
from shared.proof.merkle import root
from shared.testing.fault_points import FaultPoint, reached
from shared.vault.master import kept_secret

INTERVAL = 1.0
SIGNER = "head_signer"
"""The lease of who signs."""

log = structlog.get_logger(__name__)


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed: the JSON of this struct, byte for byte. `signed_at` is the wall clock, UTC."""

    service: str
    log_id: str
    tree_size: int
    root: str
    hash: str
    signed_at: datetime


class SignedHead(msgspec.Struct, frozen=True, kw_only=True):
    """A head, and an Ed25519 signature over its JSON bytes."""

    head: Head
    key_id: str
    signature: str


class Signer:
    """Signs what a service says of its log, with a key from a file of mode 0600, made on first use."""

    def __init__(self, key: Ed25519PrivateKey, service: str) -> None:
        self._key = key
        self.service = service

    @classmethod
    def from_file(cls, path: Path, service: str) -> "Signer":
        pem = kept_secret(
            path,
            lambda: Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
        key = serialization.load_pem_private_key(pem, None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError("the log is signed with Ed25519")
        return cls(key, service)

    @property
    def public_bytes(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    @property
    def key_id(self) -> str:
        return f"{self.service}-log"

    def signature(self, message: bytes) -> str:
        """The signature over a message, base64. Each kind of message starts in a way that no other kind does: a head
        with the brace of its JSON, everything else with a line that names its purpose."""
        return b64encode(self._key.sign(message)).decode()

    def sign(self, head: Head) -> SignedHead:
        return SignedHead(head=head, key_id=self.key_id, signature=self.signature(msgspec.json.encode(head)))


def verify_head(signed: SignedHead, public_key: bytes) -> bool:
    """Whether the signature over a head is that of `public_key` (32 bytes, Ed25519)."""
    return is_signature(signed.signature, msgspec.json.encode(signed.head), public_key)


def is_signature(signature: str, message: bytes, public_key: bytes) -> bool:
    """Whether a base64 text is the signature of `public_key` (32 bytes, Ed25519) over a message."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(b64decode(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


class KeptHead(NamedTuple):
    """A signed head as its service keeps it: `json` is the `SignedHead`, as it was made."""

    tree_size: int
    root: bytes
    json: bytes


class Heads:
    """The heads that a service has signed."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def newest(self) -> KeptHead | None:
        found = await self.before(None, 1)
        return found[0] if found else None

    async def of_size(self, tree_size: int) -> KeptHead | None:
        """The head of exactly this size, when one was signed."""
        found = await self.before(tree_size + 1, 1)
        return found[0] if found and found[0].tree_size == tree_size else None

    async def before(self, tree_size: int | None, limit: int) -> list[KeptHead]:
        """Heads of smaller sizes, newest first; without a size the newest of all."""
        rows = await self._pool.fetch(
            "select tree_size, root, head from signed_head where tree_size < $1 order by tree_size desc limit $2",
            2**63 - 1 if tree_size is None else tree_size,
            limit,
        )
        return [KeptHead(*row) for row in rows]

    async def after(self, tree_size: int, limit: int) -> list[KeptHead]:
        """Heads of larger sizes, in order of size."""
        rows = await self._pool.fetch(
            "select tree_size, root, head from signed_head where tree_size > $1 order by tree_size limit $2",
            tree_size,
            limit,
        )
        return [KeptHead(*row) for row in rows]


class HeadSigner:
    """Signs the head whenever the log has grown, at most once per interval, and says so to `kept`.

    One process of a service signs, elected by a lease. A head is kept only under the lease's present epoch, whose row
    is locked with it: no leader that was frozen keeps a smaller head after a larger one, which nobody who reads on by
    size would ever see.
    """

    def __init__(
        self, pool: asyncpg.Pool, reader: LogReader, signer: Signer, kept: Callable[[], None] = lambda: None
    ) -> None:
        self._pool = pool
        self._reader = reader
        self._signer = signer
        self._kept = kept
        self._lease = Lease(pool, SIGNER)
        self._signed = 0

    async def run(self) -> None:
        """Sign until cancelled."""
        async with self._lease:
            await self._lease.repeat(self._turn)

    async def _turn(self) -> None:
        if await self._lease.held() is not None and self._reader.head > self._signed:
            await self.sign()
        await asyncio.sleep(INTERVAL)

    async def sign(self) -> SignedHead | None:
        """Sign the log as it is now and keep the head; None when it is signed already or another process signs."""
        epoch = await self._lease.held()
        if epoch is None:
            return None
        row = await self._pool.fetchrow(
            "select position, peaks, (select max(tree_size) from signed_head) as signed from log_head"
        )
        if row["position"] <= (row["signed"] or 0):
            self._signed = row["position"]
            return None
        digest = root(row["peaks"])
        head = Head(
            service=self._signer.service,
            log_id=str(self._reader.log_id),
            tree_size=row["position"],
            root=digest.hex(),
            hash="sm3",
            signed_at=datetime.now(UTC),
        )
        signed = self._signer.sign(head)
        reached(FaultPoint.HEAD_SIGNED)
        done = await self._pool.execute(
            "insert into signed_head (tree_size, root, signed_at, head)"
            " select $1::bigint, $2::bytea, $3::timestamptz, $4::bytea from lease"
            " where name = $5 and epoch = $6 for share",
            head.tree_size,
            digest,
            head.signed_at,
            msgspec.json.encode(signed),
            SIGNER,
            epoch,
        )
        if done == "INSERT 0 0":
            log.warning("signer_fenced", tree_size=head.tree_size, epoch=epoch)
            self._lease.lost()
            return None
        self._signed = head.tree_size
        self._kept()
        return signed
