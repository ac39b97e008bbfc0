"""Long work has a table of its own."""

from shared.eventstore.migrations import install_functions, make_tables

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    make_tables("tables_3")
    install_functions()
