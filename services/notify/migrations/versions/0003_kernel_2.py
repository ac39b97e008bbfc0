"""Projections are built beside the live ones; stored answers hold their own status."""

from shared.eventstore.migrations import install_functions, make_tables

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    make_tables("tables_2")
    install_functions()
