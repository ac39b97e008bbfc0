"""Webhooks: a read model of what is owed to whom."""

from pathlib import Path

from shared.eventstore.migrations import run_script

revision = "0008"
down_revision = "0007"

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    for name in ("webhook_owed", "forget_retired_webhooks"):
        run_script((SQL / f"{name}.sql").read_text(encoding="utf-8"))
