"""Projections are built beside the live ones; stored answers hold their own status; proofs read subtrees."""

from shared.eventstore.migrations import install_functions, keep_subtrees, make_tables

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    make_tables("tables_2")
    keep_subtrees()
    install_functions()
