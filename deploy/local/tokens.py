"""The sandbox issuer: one key of its own and one ready token per role. Exists in the local profile only.

Tokens are JWTs signed with Ed25519 (RFC 8037, RFC 9864) and live by the wall clock, never by the movable one.
"""

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import OKPKey

from deploy.local.secrets import write_private
from deploy.local.settings import AUDIENCE
from shared.values.districts import District
from shared.web.step_up import ACR

ISSUER = "huchuang-sandbox"
ALGORITHM = "Ed25519"
LIFETIME = timedelta(days=30)
KEY_FILE = "issuer_key.json"
JWKS_FILE = "issuer_jwks.json"
PERSONS_CLIENT = "huchuang-sandbox-desk"
"""The client that the sandbox's persons sign in through."""

SYSTEMS = (
    "app",
    *(f"bank:demo-{letter}" for letter in "abc"),
    *(f"carrier:demo-{number}" for number in range(1, 6)),
    *(f"institution:demo-{number}" for number in range(1, 17)),
    *(f"evaluator:demo-{number}" for number in range(1, 3)),
)
"""The app, and a client for every bank, carrier, institution and evaluation body of the demo city."""
PERSONS = (
    *(f"district:{district.value}/{part}" for district in District for part in ("reviewer", "approver")),
    *("city", "finance/maker", "finance/releaser", "policy", "policy/approver", "auditor", "ops"),
)
NAMES = SYSTEMS + PERSONS


class SandboxIssuer:
    """Mints tokens with the key in `keys`; the key pair is made on first use and kept."""

    def __init__(self, keys: Path) -> None:
        private, self.jwks = keys / KEY_FILE, keys / JWKS_FILE
        if not private.exists():
            write_private(private, _new_key())
        self.key_file = private
        self._key = OKPKey.import_key(json.loads(private.read_bytes()))
        public = self.public_keys
        if not self.jwks.exists() or json.loads(self.jwks.read_bytes()) != public:
            write_private(self.jwks, json.dumps(public, indent=2).encode())
            self.jwks.chmod(0o644)

    def token(self, name: str, *, now: datetime | None = None, lifetime: timedelta = LIFETIME) -> str:
        """A token for one of NAMES, valid from `now` (wall clock) on."""
        if name not in NAMES:
            raise KeyError(f"no sandbox identity is named {name!r}")
        issued = now or datetime.now(UTC)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": int(issued.timestamp()),
            "exp": int((issued + lifetime).timestamp()),
            "jti": str(uuid.uuid4()),
            **identity(name),
        }
        if name in PERSONS:
            # The one exception from ageing: a ready token says that its person signs in again until it ends.
            claims |= {"acr": ACR, "auth_time": claims["exp"]}
        return self.signed(claims)

    def signed(self, claims: dict[str, Any], token_type: str = "JWT") -> str:
        """Any claims, signed."""
        header = {"alg": ALGORITHM, "kid": self._key.kid, "typ": token_type}
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])

    @property
    def public_keys(self) -> dict[str, Any]:
        """The JWK set under which its tokens are verified."""
        return {"keys": [self._key.as_dict(private=False)]}

    def tokens(self) -> dict[str, str]:
        """A fresh token for each of NAMES."""
        return {name: self.token(name) for name in NAMES}


def identity(name: str) -> dict[str, Any]:
    """Who a token's bearer is: a system under its own name, or a person, who alone may decide."""
    if name in SYSTEMS:
        return {"sub": name, "client_id": name, "kind": "system", "roles": [name]}
    subject = f"usr_{uuid.uuid5(uuid.NAMESPACE_URL, f'huchuang-sandbox:{name}')}"
    return {"sub": subject, "client_id": PERSONS_CLIENT, "kind": "person", "roles": [name]}


def _new_key() -> bytes:
    key = OKPKey.generate_key("Ed25519", {"kid": f"sandbox-{uuid.uuid4()}", "use": "sig", "alg": ALGORITHM})
    return json.dumps(key.as_dict(private=True)).encode()
