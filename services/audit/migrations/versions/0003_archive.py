"""The archive."""

from alembic import op

from services.audit.archive.tables import METADATA

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    METADATA.create_all(op.get_bind())
