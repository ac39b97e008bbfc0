"""The read models of the audit service."""

from services.audit.archive.tables import METADATA

__all__ = ["METADATA"]
