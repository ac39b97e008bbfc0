"""Leases and pauses do not outlast a clock that goes back."""

from shared.eventstore.migrations import install_functions

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    install_functions()
