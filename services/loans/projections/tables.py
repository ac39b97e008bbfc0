"""The read models of the loans service."""

from sqlalchemy import MetaData

METADATA = MetaData()
