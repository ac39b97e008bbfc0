"""The table behind the lists, for migrations. Services read it through `read_listing.sql` and never import this."""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

METADATA = MetaData()

listing = Table(
    "listing",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("facets", ARRAY(Text), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("version", BigInteger, nullable=False),
    Index("listing_facets", "facets", postgresql_using="gin"),
)
