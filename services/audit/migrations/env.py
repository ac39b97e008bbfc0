"""Alembic's entry for the audit service."""

from services.audit.projections.tables import METADATA
from shared.eventstore.migrations import run_environment

run_environment(METADATA)
