"""The read model behind the lists."""

from shared.eventstore.migrations import make_tables

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    make_tables("listing")
