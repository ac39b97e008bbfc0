"""Telling whether two claims name the same account without keeping its number: a keyed hash in a mutable row."""

import hmac
import os
from pathlib import Path

from shared.runtime.settings import Settings
from shared.vault.master import kept_secret


class AccountIndex:
    """HMAC over an account number with a key from a file of mode 0600, made on first use.

    The hash stands in `claim_link` only, never in an event: erasing a person empties it.
    """

    def __init__(self, path: Path) -> None:
        self._key = kept_secret(path, lambda: os.urandom(32))

    def key(self, number: str) -> bytes:
        return hmac.digest(self._key, number.encode(), "sha256")


def index_in(settings: Settings) -> AccountIndex:
    """The index of a deployment."""
    return AccountIndex(settings.secret("subsidy", "account-index.key"))
