"""Every step that a person should hear of becomes one message, and nothing in it is personal."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import resources
from string import Formatter
from typing import Any, get_args, get_type_hints
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.loans.domain.entry import ENTRY, Cause
from services.notify.domain.template import Template, render
from services.notify.intake.facts import LISTENS
from services.notify.processes.telling import KINDS, STEPS, message_id, react
from services.notify.templates import catalogue
from services.notify.wiring import DEFINITION
from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_events import HoldReason
from services.training.domain.certificate import CERTIFICATE, CertificateKind
from shared.eventstore.process import Command
from shared.eventstore.record import Actor, Record, tag_of
from shared.values.ids import uuid7
from tests.contract.events.tree import older_tags

WRITTEN = {tag_of(event): event for aggregate in (CLAIM, CERTIFICATE, ENTRY) for event in aggregate.events}
WRITTEN |= {old: WRITTEN[new] for old, new in older_tags().items() if new in WRITTEN and old in STEPS}

UNTOLD = {
    "subsidy.ClaimScreened.v2",
    "subsidy.ClaimRescreened.v1",
    "subsidy.EvidenceAttested.v1",
    "subsidy.ClaimEscalated.v1",
    "subsidy.PayeeChecked.v1",
    "subsidy.PaymentReserved.v1",
    "subsidy.PaymentDropped.v1",
    "subsidy.OutcomeAttested.v1",
    "subsidy.CommitmentCarried.v1",
}
"""Steps inside the offices."""

PERSONAL = {"name", "holder", "number", "payee", "identity_number", "mobile", "reasons", "items", "opinion"}


def record(tag: str, **payload: Any) -> Record:
    now = datetime(2025, 3, 3, tzinfo=UTC)
    return Record(
        id=uuid7(), stream="clm_1", version=1, log_id=uuid7(), type=tag, recorded_at=now, occurred_at=now,
        actor=Actor("test"), causation_id=None, correlation_id=None, traceparent=None,
        payload=msgspec.Raw(msgspec.json.encode({"type": tag, **payload})),
    )  # fmt: skip


def test_every_step_of_claims_certificates_and_entries_is_told_or_deliberately_not() -> None:
    assert set(STEPS) | UNTOLD >= set(WRITTEN)
    assert not set(STEPS) & UNTOLD


@pytest.mark.parametrize("tag", sorted(STEPS))
def test_what_a_message_says_is_written_by_the_owner_of_the_event(tag: str) -> None:
    written = get_type_hints(WRITTEN[tag])
    for field in msgspec.structs.fields(STEPS[tag].event):
        assert field.name in written
        if field.type in (date, Decimal):
            assert written[field.name] is field.type


@pytest.mark.parametrize("tag", sorted(STEPS))
def test_a_message_has_the_parameters_of_its_template_and_none_of_them_is_personal(tag: str) -> None:
    step = STEPS[tag]
    fields = {field.name: field.type for field in msgspec.structs.fields(step.event)}
    template = catalogue().templates[step.template]
    types = {"day": date, "money": Decimal, "word": str}
    assert fields == {name: types[kind] for name, kind in template.params.items()}
    assert not PERSONAL & set(fields)


@pytest.mark.parametrize("template", catalogue().templates.values(), ids=lambda template: template.name)
def test_a_template_names_its_parameters_and_only_those(template: Template) -> None:
    named = {name for _, name, _, _ in Formatter().parse(template.text) if name}
    assert named == set(template.params)
    examples = {"day": "2025-03-03", "money": "1800.00", "word": "budget"}
    shown = render(catalogue(), template.name, {name: examples[kind] for name, kind in template.params.items()})
    assert shown.title
    assert "{" not in shown.text


def test_every_template_is_used() -> None:
    assert {step.template for step in STEPS.values()} == set(catalogue().templates)


@pytest.mark.parametrize("tag", sorted(STEPS))
def test_a_template_is_about_the_kind_of_thing_whose_event_it_tells(tag: str) -> None:
    kinds = {"subsidy": "claim", "training": "certificate", "loans": "whitelist_entry"}
    assert catalogue().templates[STEPS[tag].template].subject_kind == kinds[tag.partition(".")[0]]


def test_every_code_that_can_come_has_a_word() -> None:
    codes = {code for kind in (Cause, HoldReason, CertificateKind) for code in get_args(kind)}
    assert codes - set(catalogue().words) == {"death", "person_died"}


def test_a_code_without_a_word_is_not_shown_as_it_is() -> None:
    shown = render(catalogue(), "claim_hold_lifted.v1", {"reason": "some_new_code"})
    assert "some_new_code" not in shown.text


def test_the_first_event_of_each_subject_says_whose_it_is() -> None:
    assert {item.tag.partition(".")[0] for item in LISTENS} == set(DEFINITION.sources)
    for item in LISTENS:
        assert "person_id" in get_type_hints(WRITTEN[item.tag])
    assert set(KINDS) == {CLAIM.prefix, CERTIFICATE.prefix, ENTRY.prefix}


def test_a_step_is_told_with_what_staff_wrote_left_out() -> None:
    told = record(
        "subsidy.CorrectionRequested.v1", reviewer="usr_1", items=["请张三补交身份证复印件"], due_on="2025-03-10"
    )
    [command] = react(told)
    assert isinstance(command, Command)
    id = message_id(told.id, "claim_correction_requested.v1")
    assert command.needs.streams == (id,)
    assert command.needs.facts == (("SubjectFact", "clm_1"),)


@pytest.mark.parametrize(
    "told",
    [
        record("subsidy.ClaimHeld.v1", reason="death", since="2025-03-03", waiting_for=""),
        record("loans.EntryRevoked.v1", cause="person_died", revoked_on="2025-03-03"),
    ],
    ids=lambda told: told.type,
)
def test_nobody_is_told_of_their_own_death(told: Record) -> None:
    assert react(told) == ()


uuids = st.integers(0, 2**48 - 1).map(uuid7)


@given(uuids)
def test_telling_of_an_event_again_is_the_same_message(event: UUID) -> None:
    assert message_id(event, "claim_paid.v1") == message_id(event, "claim_paid.v1")
    assert message_id(event, "claim_paid.v1") != message_id(event, "claim_held.v1")
    assert UUID(message_id(event, "claim_paid.v1").removeprefix("msg_")).version == 7


def test_messages_are_in_the_order_of_their_events() -> None:
    ids = [message_id(uuid7(), "claim_paid.v1") for _ in range(1_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_the_templates_file_says_each_name_once() -> None:
    file = json.loads(resources.files("services.notify.templates").joinpath("messages.json").read_bytes())
    assert len(file["templates"]) == len(catalogue().templates)
