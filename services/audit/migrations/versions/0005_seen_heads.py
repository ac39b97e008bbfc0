"""The signed heads of other services, as they were published."""

from pathlib import Path

from shared.eventstore.migrations import run_script

revision = "0005"
down_revision = "0004"

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    run_script((SQL / "seen_head.sql").read_text(encoding="utf-8"))
