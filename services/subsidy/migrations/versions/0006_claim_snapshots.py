"""Claims as a simulation judges them, a read model beside the lists."""

from pathlib import Path

from shared.eventstore.migrations import run_script

revision = "0006"
down_revision = "0005"

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    for name in ("claim_snapshot", "forget_retired_snapshots"):
        run_script((SQL / f"{name}.sql").read_text(encoding="utf-8"))
