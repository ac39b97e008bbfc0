"""The read models of the audit service."""

from sqlalchemy import MetaData

METADATA = MetaData()
