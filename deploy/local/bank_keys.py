"""The signature keys of the sandbox's banks, known to loans from the start of the stack. Local profile only.

An interim, to be removed when banks are taken on through registry: `provision` writes what loans would keep of
`registry.ClientKeyApproved.v1`. Both its calls are in the supervisor and in the bench's scene.
"""

import json
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec

from deploy.local.secrets import write_private
from services.loans.intake.partners import ApprovedKey, PartnerFact
from shared.web.signing.keys import Algorithm, PrivateKey, new_key, private_jwk, private_key, public_jwk

BANKS: dict[str, Algorithm] = {"bank:demo-a": "ed25519", "bank:demo-b": "ed25519", "bank:demo-c": "sm2-sm3"}
"""The algorithm of each bank's key, by the bank's client."""


def key_file(keys: Path, client: str) -> Path:
    """Where the sandbox keeps the private JWK of a bank."""
    return keys / f"{client.replace(':', '-')}.json"


def key_in(path: Path) -> PrivateKey:
    return private_key(json.loads(path.read_bytes()))


async def provision(keys: Path, loans: str) -> None:
    """Make the keys that are not there yet and note them as approved in the database of loans (a DSN)."""
    connection = await asyncpg.connect(loans)
    try:
        for client, algorithm in BANKS.items():
            path = key_file(keys, client)
            if not path.exists():
                made = new_key(algorithm, f"{client.removeprefix('bank:')}-sandbox-1")
                write_private(path, json.dumps(private_jwk(made), indent=2).encode())
            key = key_in(path).public
            fact = PartnerFact(client, (ApprovedKey(key.kid, public_jwk(key)),))
            await connection.execute(
                "insert into fact (kind, key, value, log_id, position) values ($1, $2, $3, $4, 0)"
                " on conflict do nothing",
                PartnerFact.__name__,
                client,
                msgspec.json.encode(fact),
                UUID(int=0),
            )
    finally:
        await connection.close()
