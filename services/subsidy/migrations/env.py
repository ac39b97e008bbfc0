"""Alembic's entry for the subsidy service."""

from services.subsidy.projections.tables import METADATA
from shared.eventstore.migrations import run_environment

run_environment(METADATA)
