"""Snapshots of a bank's whitelist."""

from pathlib import Path

from shared.eventstore.migrations import run_script

revision = "0007"
down_revision = "0006"

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    run_script((SQL / "whitelist_snapshot.sql").read_text(encoding="utf-8"))
