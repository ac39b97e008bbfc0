"""Alembic's entry for the notify service."""

from services.notify.projections.tables import METADATA
from shared.eventstore.migrations import run_environment

run_environment(METADATA)
