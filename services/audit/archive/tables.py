"""The archive's tables: every record of every service as Kafka delivered it, and what can be looked up in it."""

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Integer, LargeBinary, MetaData, Table, Text, Uuid

METADATA = MetaData()

archive = Table(
    "archive",
    METADATA,
    Column("log_id", Uuid, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("seq", BigInteger, Identity(always=True), unique=True),
    Column("source", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("record", LargeBinary, nullable=False),
    Index("archive_stream", "stream", "version", unique=True),
    Index("archive_type", "type", "seq"),
)

# Which records mention which stream: a notice its claims, a message what it is about.
mention = Table(
    "mention",
    METADATA,
    Column("stream", Text, primary_key=True),
    Column("log_id", Uuid, primary_key=True),
    Column("position", BigInteger, primary_key=True),
)

claim_view = Table(
    "claim_view",
    METADATA,
    Column("claim_id", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("district", Text, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Index("claim_view_status", "status", "claim_id"),
)
