"""What the world makes an entry do."""

from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import pytest

from services.loans.processes import expiry, recheck
from shared.eventstore.process import Ask, Command, SetTimer
from shared.eventstore.record import Actor, Record, encode_payload

from .samples import ENTRY_1, IN_EFFECT


def record(tag: str, payload: bytes) -> Record:
    now = datetime(2025, 3, 3, tzinfo=UTC)
    return Record(
        id=uuid4(), stream="s_1", version=1, log_id=uuid4(), type=tag, recorded_at=now, occurred_at=now,
        actor=Actor("test"), causation_id=None, correlation_id=None, traceparent=None, payload=msgspec.Raw(payload),
    )  # fmt: skip


TAKES_EFFECT = record("loans.EntryInEffect.v1", encode_payload(IN_EFFECT))


@pytest.mark.clause("A-12")
def test_an_entry_is_woken_when_its_last_shanghai_day_is_over() -> None:
    [timer] = expiry.react(TAKES_EFFECT)
    assert timer == SetTimer(key=ENTRY_1, due_at=datetime(2026, 3, 3, 16, tzinfo=UTC), payload=b"")
    [command] = expiry.wake(ENTRY_1, b"")
    assert command.needs.streams == (ENTRY_1,)


def test_an_entry_that_has_just_taken_effect_is_checked_against_all_it_rests_on() -> None:
    [command] = recheck.react(TAKES_EFFECT)
    assert isinstance(command, Command)
    assert command.needs.streams == (ENTRY_1,)
    assert set(command.needs.facts) == {
        ("PersonFact", "per_1"),
        ("OrganisationFact", "org_1"),
        ("ConsentFact", "con_1"),
        ("CertificateFact", "SH-1"),
    }


@pytest.mark.parametrize("tag", sorted(recheck.TAKEN_AWAY))
def test_what_is_taken_away_leads_to_the_entries_that_rest_on_it(tag: str) -> None:
    payload = {
        "consent_id": "con_1",
        "person_id": "per_1",
        "organisation_id": "org_1",
        "number": "SH-1",
        "withdrawn_on": "2025-03-03",
        "died_on": "2025-03-03",
        "deregistered_on": "2025-03-03",
        "revoked_on": "2025-03-03",
    }
    [reaction] = recheck.react(record(tag, msgspec.json.encode(payload)))
    assert isinstance(reaction, Ask)
