"""An attempt is recorded once; failed ones are followed by others over days, until the message is given up."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec.structs import replace

from services.notify.domain.webhook_attempt import (
    LONGEST_WAIT,
    MOST_ATTEMPTS,
    NUMBER_BITS,
    RETRIES,
    WEBHOOK_ATTEMPT,
    NoteFollowing,
    RecordAttempt,
    RequestResend,
    WebhookAttempted,
    WebhookAttemptFollowed,
    WebhookResendRequested,
    attempt_id,
    decide,
    next_at,
    type_of,
)
from services.notify.templates import catalogue
from shared.values.ids import new_id, parse_id, unix_ms_of, uuid7

from .spec import given

AT = datetime(2025, 3, 3, tzinfo=UTC)
MADE = WebhookAttempted("wha_1", "whe_1", "app", "msg_1", "claim.paid", 3, "failed", AT, AT, 12, 500, "status", AT)
FOLLOWED = WebhookAttemptFollowed("wha_1", "wha_2")
RESENT = WebhookResendRequested("wha_1", "whe_1", "msg_1", "claim.paid", 3)


def test_an_attempt_is_recorded_once() -> None:
    given(WEBHOOK_ATTEMPT).when(decide, RecordAttempt(MADE)).then(MADE)
    given(WEBHOOK_ATTEMPT, MADE).when(decide, RecordAttempt(replace(MADE, outcome="delivered"))).then()


def test_the_last_attempt_is_followed_by_another_when_that_is_asked_for() -> None:
    last = given(WEBHOOK_ATTEMPT, MADE)
    last.when(decide, RequestResend(True)).then(RESENT)
    given(WEBHOOK_ATTEMPT, MADE, RESENT).when(decide, RequestResend(True)).then()
    followed = given(WEBHOOK_ATTEMPT, MADE, FOLLOWED)
    superseded = followed.when(decide, RequestResend(True)).refused("webhook_attempt_superseded")
    assert superseded.extensions == {"id": "wha_2"}
    last.when(decide, RequestResend(False)).refused("webhook_endpoint_disabled")
    many = given(WEBHOOK_ATTEMPT, replace(MADE, number=MOST_ATTEMPTS))
    many.when(decide, RequestResend(True)).refused("too_many_webhook_attempts")
    given(WEBHOOK_ATTEMPT).when(decide, RequestResend(True)).refused("not_found", 404)


def test_an_attempt_is_followed_once() -> None:
    given(WEBHOOK_ATTEMPT, MADE).when(decide, NoteFollowing("wha_2")).then(FOLLOWED)
    given(WEBHOOK_ATTEMPT, MADE, FOLLOWED).when(decide, NoteFollowing("wha_2")).then()
    given(WEBHOOK_ATTEMPT).when(decide, NoteFollowing("wha_2")).then()


def test_attempts_go_on_for_three_days_ever_more_seldom() -> None:
    assert list(RETRIES) == sorted(RETRIES)
    assert sum(RETRIES, timedelta()) > timedelta(days=3)
    assert [next_at(step, AT, None) for step in range(len(RETRIES))] == [AT + pause for pause in RETRIES]
    assert next_at(len(RETRIES), AT, 60) is None


def test_a_receiver_may_ask_for_more_time_up_to_a_day_and_never_for_less() -> None:
    assert next_at(0, AT, 3600) == AT + timedelta(hours=1)
    assert next_at(0, AT, 1) == AT + RETRIES[0]
    assert next_at(0, AT, 10.0**9) == AT + LONGEST_WAIT


NUMBERS = st.integers(1, (1 << NUMBER_BITS) - 1)


@for_all(NUMBERS, NUMBERS)
def test_ids_are_of_one_attempt_each_and_in_order(one: int, other: int) -> None:
    message, endpoint, second = new_id("msg", uuid7()), new_id("whe", uuid7()), new_id("whe", uuid7())
    first, then = attempt_id(message, endpoint, one), attempt_id(message, endpoint, other)
    assert (first < then) == (one < other)
    assert (first == then) == (one == other)
    assert first == attempt_id(message, endpoint, one) == parse_id("wha", first)
    assert attempt_id(message, second, one) not in (first, then)
    uuid = UUID(first.removeprefix("wha_"))
    assert uuid.variant == UUID(message[4:]).variant
    assert unix_ms_of(uuid) == unix_ms_of(UUID(message[4:]))


@pytest.mark.parametrize("number", [0, -1, 1 << NUMBER_BITS])
def test_there_are_no_other_attempts(number: int) -> None:
    with pytest.raises(ValueError, match="no such attempt"):
        attempt_id(new_id("msg", uuid7()), new_id("whe", uuid7()), number)


def test_every_template_has_a_type_of_its_own() -> None:
    templates = catalogue().templates.values()
    types = {type_of(template.name, template.subject_kind) for template in templates}
    assert len(types) == len({template.name.partition(".")[0] for template in templates})
    assert {"claim.paid", "certificate.issued", "whitelist_entry.in_effect"} <= set(types)
    assert type_of("claim_paid.v2", "claim") == "claim.paid"
