"""Looking people up by identity number without keeping the number: a keyed hash in a mutable row."""

import hmac
import os
from pathlib import Path

from shared.runtime.settings import Settings
from shared.vault.master import kept_secret


class IdentityIndex:
    """HMAC over an identity number with a key from a file of mode 0600, made on first use.

    The hash stands in a unique limit only, never in an event: erasing a person deletes the row.
    """

    SCOPE = "person/identity"

    def __init__(self, path: Path) -> None:
        self._key = kept_secret(path, lambda: os.urandom(32))

    def key(self, identity_number: str) -> str:
        return hmac.digest(self._key, identity_number.encode(), "sha256").hex()


def index_in(settings: Settings) -> IdentityIndex:
    """The index of a deployment."""
    return IdentityIndex(settings.secret("registry", "identity-index.key"))
