"""Authorization codes: good once, for a minute, for whoever knows the verifier (RFC 6749 4.1, RFC 7636)."""

import hmac
import secrets
import time
from base64 import urlsafe_b64encode
from hashlib import sha256

import msgspec

CODE_SECONDS = 60.0
MOST_CODES = 1000


class Grant(msgspec.Struct, frozen=True):
    """What a person has agreed to; `auth_time` in seconds since 1970."""

    person: str
    client_id: str
    redirect_uri: str
    challenge: str
    nonce: str | None
    auth_time: int


class Codes:
    """The codes that have been handed out and not been used, in memory."""

    def __init__(self) -> None:
        self._grants: dict[str, tuple[float, Grant]] = {}

    def issue(self, grant: Grant) -> str:
        now = time.monotonic()
        kept = {code: item for code, item in self._grants.items() if item[0] > now}
        self._grants = dict(list(kept.items())[-MOST_CODES:])
        code = secrets.token_urlsafe(32)
        self._grants[code] = (now + CODE_SECONDS, grant)
        return code

    def redeem(self, code: str, client_id: str, redirect_uri: str, verifier: str) -> Grant | None:
        """The grant, once; a wrong guess uses the code up as well."""
        until, grant = self._grants.pop(code, (0.0, None))
        if grant is None or until <= time.monotonic():
            return None
        same = (grant.client_id, grant.redirect_uri) == (client_id, redirect_uri)
        return grant if same and hmac.compare_digest(challenge_of(verifier), grant.challenge) else None


def challenge_of(verifier: str) -> str:
    """S256."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
