"""Alembic's entry for the registry service."""

from services.registry.projections.tables import METADATA
from shared.eventstore.migrations import run_environment

run_environment(METADATA)
