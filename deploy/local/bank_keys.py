"""The signature keys of the sandbox's banks, as files with private JWKs. Local profile only."""

import json
from pathlib import Path

from deploy.local.secrets import write_private
from shared.web.signing.keys import Algorithm, PrivateKey, new_key, private_jwk, private_key

BANKS: dict[str, Algorithm] = {"bank:demo-a": "ed25519", "bank:demo-b": "ed25519", "bank:demo-c": "sm2-sm3"}
"""The algorithm of each bank's key, by the bank's client."""


def key_file(keys: Path, client: str) -> Path:
    """Where the sandbox keeps the private JWK of a bank."""
    return keys / f"{client.replace(':', '-')}.json"


def key_in(path: Path) -> PrivateKey:
    return private_key(json.loads(path.read_bytes()))


def bank_key(keys: Path, client: str) -> PrivateKey:
    """The key of a bank, made on first use."""
    path = key_file(keys, client)
    if not path.exists():
        made = new_key(BANKS[client], f"{client.removeprefix('bank:')}-sandbox-1")
        write_private(path, json.dumps(private_jwk(made), indent=2).encode())
    return key_in(path)
