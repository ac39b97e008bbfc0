"""Nonces of banks' signatures, each of which is used once."""

from shared.eventstore.migrations import run_script
from shared.web.signing.nonces import TABLE

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_script(TABLE.read_text(encoding="utf-8"))
