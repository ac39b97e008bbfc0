"""What rests on what, and the changes that a bank may see."""

from pathlib import Path

from shared.eventstore.migrations import run_script

revision = "0003"
down_revision = "0002"

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    for name in ("entries_resting_on", "whitelist_changes"):
        run_script((SQL / f"{name}.sql").read_text(encoding="utf-8"))
