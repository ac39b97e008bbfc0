"""The read model behind the lists."""

from alembic import op

from shared.eventstore.listing import METADATA

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    METADATA.create_all(op.get_bind())
