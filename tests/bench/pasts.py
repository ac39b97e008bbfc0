"""Claims with a past: what the store holds of a claim that went from submission to payment, ten events."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_decisions import screened
from services.subsidy.domain.claim_events import (
    ClaimApproved,
    ClaimEvent,
    ClaimNoticed,
    ClaimPaid,
    ClaimReviewed,
    ClaimSubmitted,
    NoticeEnded,
    PayeeAccount,
    PayeeChecked,
    PaymentOrdered,
    PaymentReserved,
)
from services.subsidy.domain.facts import Facts, RoleHeld
from services.subsidy.domain.policy_version import PolicyVersion
from shared.eventstore.record import EventTypes, encode_payload
from shared.values.ids import (
    CertificateId,
    ClaimId,
    InstitutionId,
    NoticeId,
    OrganisationId,
    PaymentBatchId,
    PersonId,
    ProjectId,
    new_id,
    uuid7,
)
from shared.values.personal import Clear
from shared.vault.keys import seal
from tests.bench.submissions import DISTRICT, ISSUED_ON, SINCE

POLICY = Path(__file__).parents[2] / "services/subsidy/policies/training-fee-subsidy-2023.json"
TYPES = EventTypes([CLAIM])
NOW = datetime(2025, 3, 3, 1, tzinfo=UTC)
EVENT_COLUMNS = (
    "stream", "version", "id", "type", "recorded_at", "occurred_at", "actor_client", "actor_user",
    "actor_on_behalf_of", "causation_id", "correlation_id", "traceparent", "payload",
)  # fmt: skip


def policy() -> PolicyVersion:
    return msgspec.json.decode(POLICY.read_bytes(), type=PolicyVersion)


def facts() -> Facts:
    """What a claim is judged by that passes every rule which can be judged at once."""
    return Facts(
        submitted_on=NOW.date(),
        certificate_kind="qualification",
        certificate_stage="start_up",
        certificate_issued_on=ISSUED_ON,
        certificate_revoked_on=None,
        certificate_is_claimants=True,
        organisation_area=DISTRICT,
        organisation_registered_on=SINCE,
        roles=(RoleHeld("legal_representative", SINCE),),
        places_held=0,
    )


def past(version: PolicyVersion) -> tuple[ClaimId, list[ClaimEvent]]:
    """A new claim's id, and its events up to the payment."""
    claim, person = ClaimId(new_id("clm", uuid7())), PersonId(new_id("per", uuid7()))
    notice, batch = NoticeId(new_id("ntc", uuid7())), PaymentBatchId(new_id("pay", uuid7()))
    today, amount, project = NOW.date(), Decimal("1800.00"), ProjectId(new_id("prj", uuid7()))
    submitted = ClaimSubmitted(
        claim_id=claim,
        programme=version.programme,
        person_id=person,
        organisation_id=OrganisationId(new_id("org", uuid7())),
        certificate_id=CertificateId(new_id("crt", uuid7())),
        certificate_no=f"SH2025-B-{uuid7().hex[-16:]}",
        project_id=project,
        entitlement=f"{version.programme}/{project}",
        institution_id=InstitutionId(new_id("ins", uuid7())),
        review_district=DISTRICT,
        channel="app",
        accepting_district=DISTRICT,
        judged_on=ISSUED_ON,
        submitted_on=today,
        payee=PayeeAccount("bank_account", Clear(person, "欧阳𠮷光"), Clear(person, "6222020000000012"), "上海银行"),
    )
    return claim, [
        submitted,
        screened(version, facts(), today),
        PayeeChecked(matches=True, account=1),
        ClaimReviewed("reviewer", "材料齐全", today + timedelta(1)),
        ClaimApproved("approver", version.version, amount, f"{version.programme}/2025", today + timedelta(2)),
        ClaimNoticed(notice, today + timedelta(9)),
        NoticeEnded(notice),
        PaymentReserved(batch),
        PaymentOrdered(batch, 1, amount),
        ClaimPaid(batch, amount, today + timedelta(17)),
    ]


def rows(stream: str, events: Sequence[ClaimEvent], key: bytes) -> Iterator[tuple[Any, ...]]:
    """Rows of the table `event`, in the order of `EVENT_COLUMNS`, personal fields sealed with `key`."""
    for version, event in enumerate(events, 1):
        id = uuid7()
        payload = encode_payload(event, lambda clear, field, id=id: seal(key, clear, id, field))  # type: ignore[misc]
        yield stream, version, id, TYPES.tag(event), NOW, NOW, "app", None, None, None, id, None, payload


async def put_events(connection: asyncpg.Connection, events: Sequence[tuple[Any, ...]]) -> None:
    """Put rows into `event` and their streams into `stream`; the log is left as it is."""
    versions = {row[0]: row[1] for row in events}
    await connection.copy_records_to_table("stream", records=versions.items(), columns=["id", "version"])
    await connection.copy_records_to_table("event", records=events, columns=EVENT_COLUMNS)
    await connection.execute("vacuum analyze stream, event")
