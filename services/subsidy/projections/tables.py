"""The read models of the subsidy service."""

from sqlalchemy import MetaData

METADATA = MetaData()
