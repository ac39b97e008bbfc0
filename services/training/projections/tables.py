"""The read models of the training service."""

from sqlalchemy import MetaData

METADATA = MetaData()
