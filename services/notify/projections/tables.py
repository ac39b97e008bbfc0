"""The read models of the notify service."""

from sqlalchemy import MetaData

METADATA = MetaData()
