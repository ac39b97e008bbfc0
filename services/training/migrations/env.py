"""Alembic's entry for the training service."""

from services.training.projections.tables import METADATA
from shared.eventstore.migrations import run_environment

run_environment(METADATA)
