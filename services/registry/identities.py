"""Looking people up by identity number without keeping the number: a keyed hash in a mutable row."""

import hmac
import os
from pathlib import Path


class IdentityIndex:
    """HMAC over an identity number with a key from a file of mode 0600, made on first use.

    The hash stands in a unique limit only, never in an event: erasing a person deletes the row.
    """

    SCOPE = "person/identity"

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(os.urandom(32))
        self._key = path.read_bytes()

    def key(self, identity_number: str) -> str:
        return hmac.digest(self._key, identity_number.encode(), "sha256").hex()
