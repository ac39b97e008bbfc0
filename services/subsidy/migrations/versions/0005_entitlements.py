"""Entitlements and places are counted within a programme; versions in force say what their rules ask.

What there is belongs to the training-fee subsidy.
"""

import json

import sqlalchemy as sa
from alembic import op

from services.subsidy.domain.upcasts import policy_with_checks

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(
        "update limit_unique"
        " set key = split_part(key, '/', 1) || '/training-fee-subsidy/' || split_part(key, '/', 2)"
        " where scope in ('claim/person-project', 'claim/person')"
    )
    connection = op.get_bind()
    rows = connection.execute(sa.text("select key, value from inline_row where view = 'policy'")).all()
    for key, value in rows:
        row = json.loads(bytes(value) if isinstance(value, (bytes, memoryview)) else value)
        row["versions"] = [policy_with_checks(version) for version in row["versions"]]
        written = json.dumps(row, ensure_ascii=False).encode()
        connection.execute(
            sa.text("update inline_row set value = :value where view = 'policy' and key = :key"),
            {"key": key, "value": written if isinstance(value, (bytes, memoryview)) else written.decode()},
        )
