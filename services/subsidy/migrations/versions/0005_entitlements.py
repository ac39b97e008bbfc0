"""Entitlements and places are counted within a programme: those there are belong to the training-fee subsidy."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(
        "update limit_unique"
        " set key = split_part(key, '/', 1) || '/training-fee-subsidy/' || split_part(key, '/', 2)"
        " where scope in ('claim/person-project', 'claim/person')"
    )
