"""The read model behind the lists."""

from alembic import op

from shared.eventstore.listing_table import METADATA
from shared.eventstore.migrations import run_script, statement

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    METADATA.create_all(op.get_bind())
    run_script(statement("read_listing"))
