"""A log that came out of a backup has another id until it is reconciled."""

from shared.eventstore.migrations import install_functions, make_tables

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    make_tables("tables_5")
    install_functions()
