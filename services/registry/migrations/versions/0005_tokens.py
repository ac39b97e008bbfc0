"""The keys that sign access tokens, and the assertions that were used."""

from pathlib import Path

from shared.eventstore.migrations import run_script

revision = "0005"
down_revision = "0004"

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    for name in ("token_tables", "use_assertion", "add_signing_key"):
        run_script((SQL / f"{name}.sql").read_text(encoding="utf-8"))
