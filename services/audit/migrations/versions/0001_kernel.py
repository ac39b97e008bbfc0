"""The event store."""

from shared.eventstore.migrations import make_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    make_tables("tables")
