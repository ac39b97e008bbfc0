"""The event store."""

from shared.eventstore.migrations import install_kernel

revision = "0001"
down_revision = None


def upgrade() -> None:
    install_kernel()
