"""Long work over many items has a table of them."""

from shared.eventstore.migrations import make_tables

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    make_tables("tables_4")
