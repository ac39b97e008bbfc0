"""What loans understands of others' events, held against the events that their owners write."""

from datetime import UTC, date, datetime
from typing import Any, get_type_hints
from uuid import uuid4

import msgspec
import pytest

from services.loans.intake.facts import LISTENS, CertificateFact, ConsentFact, OrganisationFact, RoleFact
from services.loans.processes.recheck import TAKEN_AWAY
from services.loans.wiring import DEFINITION
from services.registry.wiring import DEFINITION as REGISTRY
from services.training.domain.certificate import CERTIFICATE
from shared.eventstore.needs import Fact
from shared.eventstore.record import Actor, Record, tag_of
from shared.messaging.intake import Listens

WRITTEN = {tag_of(event): event for aggregate in (*REGISTRY.aggregates, CERTIFICATE) for event in aggregate.events}


def noted(tag: str, known: Fact | None = None, /, **fields: Any) -> Fact | None:
    """The fact after an event, from what was known before."""
    listens: Listens[Any] = next(item for item in LISTENS if item.tag == tag)
    payload = msgspec.json.encode({"type": tag, **fields})
    now = datetime(2025, 3, 3, tzinfo=UTC)
    record = Record(
        id=uuid4(), stream="s_1", version=1, log_id=uuid4(), type=tag, recorded_at=now, occurred_at=now,
        actor=Actor("test"), causation_id=None, correlation_id=None, traceparent=None, payload=msgspec.Raw(payload),
    )  # fmt: skip
    [note] = listens.notes(record, msgspec.json.decode(payload, type=listens.event))
    assert known is None or isinstance(known, note.kind)
    return note.update(known)


@pytest.mark.parametrize("listens", LISTENS, ids=lambda item: item.tag)
def test_every_field_that_is_used_is_written_by_its_owner(listens: Listens[Any]) -> None:
    written = get_type_hints(WRITTEN[listens.tag])
    for field in msgspec.structs.fields(listens.event):
        assert field.name in written
        if field.type is date:
            assert written[field.name] is date


def test_everything_that_can_be_taken_away_is_noted_before_it_is_reacted_to() -> None:
    assert {item.tag for item in LISTENS} >= TAKEN_AWAY
    assert set(DEFINITION.sources) == {tag.partition(".")[0] for tag in TAKEN_AWAY}


def test_a_withdrawn_consent_stays_known_as_withdrawn() -> None:
    given = ConsentFact("con_1", "per_1", "whitelist_recommendation", "banks", date(2025, 1, 1))
    fields = {"person_id": "per_1", "consent_id": "con_1", "withdrawn_on": "2025-03-03"}
    after = noted("registry.ConsentWithdrawn.v1", given, **fields)
    assert after == msgspec.structs.replace(given, withdrawn_on=date(2025, 3, 3))


def test_a_revoked_certificate_stays_known_as_revoked() -> None:
    issued = noted("training.CertificateIssued.v1", number="SH-1", person_id="per_1", stage="start_up")
    assert issued == CertificateFact("SH-1", "per_1")
    revoked = noted("training.CertificateRevoked.v1", issued, number="SH-1", revoked_on="2025-03-03")
    assert revoked == CertificateFact("SH-1", "per_1", date(2025, 3, 3))


def test_the_roles_of_an_organisation_gather() -> None:
    organisation: Fact | None = OrganisationFact("org_1", "310115")
    for person in ("per_1", "per_2"):
        role = {"organisation_id": "org_1", "person_id": person, "role": "partner", "since": "2024-01-01"}
        organisation = noted("registry.RoleRecorded.v1", organisation, **role)
    assert isinstance(organisation, OrganisationFact)
    assert organisation.roles == tuple(RoleFact(p, "partner", date(2024, 1, 1)) for p in ("per_1", "per_2"))
