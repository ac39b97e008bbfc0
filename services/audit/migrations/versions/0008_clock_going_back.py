"""Leases and pauses do not outlast a clock that goes back."""

from shared.eventstore.migrations import install_functions

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    install_functions()
