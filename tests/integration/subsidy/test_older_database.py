"""A database of subsidy that was filled before policies were data: what it holds means the same afterwards."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from deploy.local.migrations import migrate
from deploy.local.postgres import PostgresServer
from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.policy import PROGRAMME, ActiveVersions
from services.subsidy.domain.screening import screen
from services.subsidy.domain.upcasts import UPCASTS
from shared.eventstore.record import EventTypes
from tests.unit.subsidy.samples import POLICY, facts

PARAMETERS = ("amount", "places", "window_months", "organisation_years", "roles", "notice_working_days",
              "correction_working_days", "objection_working_days")  # fmt: skip
BEFORE: Any = {
    "programme": "training-fee-subsidy", "version": "2023-7", "title": "初创期培训费补贴",
    "source": "沪人社规〔2023〕7号", "effective_from": "2023-05-01", "effective_until": "2025-12-31",
    "parameters": {name: msgspec.to_builtins(getattr(POLICY.parameters, name)) for name in PARAMETERS},
    "rules": [{"name": rule.name, "clause": rule.clause, "text": rule.text} for rule in POLICY.rules],
}  # fmt: skip
"""A version as it was written when its rules were names."""
PLACE = "per_1/1"
TYPES = EventTypes([CLAIM, PROGRAMME], UPCASTS)


@pytest.mark.clause("B-01")
async def test_versions_in_force_and_limits_of_an_older_database_go_on(postgres: PostgresServer) -> None:
    name = f"older_{uuid4().hex}"
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute(f"create database {name}")
    await asyncio.to_thread(migrate, "subsidy", postgres.dsn(name), "0004")
    connection = await asyncpg.connect(postgres.dsn(name))
    row = msgspec.json.encode({"versions": [BEFORE]})
    await connection.execute("insert into inline_row values ('policy', 'training-fee-subsidy', $1)", row)
    await connection.executemany(
        "insert into limit_unique values ($1, $2, 'clm_1')",
        [("claim/person-project", "per_1/prj_1"), ("claim/person", PLACE), ("claim/certificate", "SH-1")],
    )
    await connection.close()

    await asyncio.to_thread(migrate, "subsidy", postgres.dsn(name))

    connection = await asyncpg.connect(postgres.dsn(name))
    after = await connection.fetchval("select value from inline_row where view = 'policy'")
    [version] = msgspec.json.decode(after, type=ActiveVersions).versions
    assert screen(version, facts()) == screen(POLICY, facts())
    assert {row["key"] for row in await connection.fetch("select key from limit_unique")} == {
        "per_1/training-fee-subsidy/prj_1",
        "per_1/training-fee-subsidy/1",
        "SH-1",
    }
    await connection.close()
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()


@pytest.mark.clause("B-01")
def test_a_version_that_was_drafted_as_names_of_rules_is_read_as_what_they_asked() -> None:
    drafted = {"type": "subsidy.PolicyDrafted.v1", "policy": BEFORE, "drafted_by": "usr_1"}
    event: Any = TYPES.decode("subsidy.PolicyDrafted.v1", msgspec.json.encode(drafted))
    assert screen(event.policy, facts()) == screen(POLICY, facts())


def test_a_claim_that_was_submitted_for_a_project_is_read_with_its_entitlement() -> None:
    sealed = {"subject": "per_1", "alg": "sm4-gcm", "field": 1, "box": ""}
    submitted = {
        "type": "subsidy.ClaimSubmitted.v1", "claim_id": "clm_1", "programme": "training-fee-subsidy",
        "person_id": "per_1", "organisation_id": "org_1", "certificate_id": "crt_1", "certificate_no": "SH-1",
        "project_id": "prj_1", "institution_id": "ins_1", "review_district": "310115", "channel": "app",
        "accepting_district": "310101", "judged_on": "2025-01-10", "submitted_on": "2025-03-03",
        "payee": {"kind": "bank_account", "holder": sealed, "number": sealed, "bank": "银行"},
    }  # fmt: skip
    event: Any = TYPES.decode("subsidy.ClaimSubmitted.v1", msgspec.json.encode(submitted))
    assert (event.entitlement, event.evidence) == ("training-fee-subsidy/prj_1", {})
