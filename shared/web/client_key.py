"""The key with which a system signs for its access tokens, and what it signs (RFC 7523)."""

import time
from pathlib import Path

import msgspec
from joserfc import jwt
from joserfc.jwk import OKPKey

from shared.values.ids import uuid7
from shared.vault.master import kept_secret

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 60
KEY_FILE = "token-key.json"
"""The name of a service's own key among its secrets."""


def client_key(path: Path) -> OKPKey:
    """The private key in a file of mode 0600, made on first use."""
    return OKPKey.import_key(msgspec.json.decode(kept_secret(path, _new_key)))


def _new_key() -> bytes:
    key = OKPKey.generate_key("Ed25519", {"kid": f"token-{uuid7()}"})
    return msgspec.json.encode(key.as_dict(private=True))


def public_part(key: OKPKey) -> dict[str, str]:
    """The members of its JWK that are handed in."""
    members = key.as_dict(private=False)
    return {name: str(members[name]) for name in ("kty", "crv", "x", "kid")}


def token_request(key: OKPKey, client: str, authority: str) -> dict[str, str]:
    """The form for the token endpoint of `authority`; good for one token, within a minute."""
    now = int(time.time())
    claims = {
        "iss": client,
        "sub": client,
        "aud": f"{authority}/oauth2/token",
        "iat": now,
        "exp": now + ASSERTION_SECONDS,
        "jti": str(uuid7()),
    }
    header = {"alg": "Ed25519", "kid": key.kid}
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": jwt.encode(header, claims, key, algorithms=["Ed25519"]),
    }
