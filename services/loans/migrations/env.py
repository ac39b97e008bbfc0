"""Alembic's entry for the loans service."""

from services.loans.projections.tables import METADATA
from shared.eventstore.migrations import run_environment

run_environment(METADATA)
