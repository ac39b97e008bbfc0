"""The read models of the registry service."""

from sqlalchemy import MetaData

METADATA = MetaData()
