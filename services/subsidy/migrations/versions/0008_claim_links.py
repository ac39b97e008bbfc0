"""What claims have in common, for the signals beside them."""

from pathlib import Path

from shared.eventstore.migrations import run_script

revision = "0008"
down_revision = "0007"

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    run_script((SQL / "claim_link.sql").read_text(encoding="utf-8"))
