"""Signing keys that are withdrawn at once."""

from pathlib import Path

from shared.eventstore.migrations import run_script

revision = "0006"
down_revision = "0005"

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    run_script((SQL / "withdraw_signing_keys.sql").read_text(encoding="utf-8"))
