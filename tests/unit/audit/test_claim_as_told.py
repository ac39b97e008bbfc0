"""The auditor's own fold of a claim tells what subsidy's fold tells, over whatever subsidy's decisions lead to."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given as every
from hypothesis import settings

from services.audit.console.pages import STATUSES
from services.audit.intake.claims import STATUS_AFTER, ClaimAsTold, differences, fold
from services.subsidy.api.claim_view import shown
from services.subsidy.domain.claim import CLAIM, Claim
from services.subsidy.domain.claim_events import EVENTS, HoldLifted, PayeeChecked, PaymentDropped
from shared.eventstore.decider import Event
from shared.eventstore.record import Actor, Record, tag_of
from tests.contract.events.samples import payload_of
from tests.contract.events.tree import older_tags
from tests.unit.subsidy.samples import BATCH, CORRECTED, ENDED, PASTS, REJECTED, SCREENED, SUBMITTED, held
from tests.unit.subsidy.world import LIVES, Step, World

MOMENT = datetime(2025, 3, 3, 1, tzinfo=UTC)


def records(stream: str, events: Sequence[Event]) -> list[Record]:
    """A stream's records as Kafka delivers them."""
    return [
        Record(
            id=UUID(int=version),
            stream=stream,
            version=version,
            log_id=UUID(int=5),
            type=tag_of(type(event)),
            recorded_at=MOMENT + timedelta(seconds=version),
            occurred_at=MOMENT + timedelta(seconds=version),
            actor=Actor("app"),
            causation_id=None,
            correlation_id=None,
            traceparent=None,
            payload=msgspec.Raw(payload_of(event)),
        )
        for version, event in enumerate(events, 1)
    ]


def as_shown(id: str, claim: Claim) -> dict[str, Any]:
    """What subsidy's API answers, as the auditor receives it."""
    answer: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(shown(id, claim)))
    return answer


def agree(told: ClaimAsTold, claim: Claim, events: Sequence[Event]) -> None:
    assert claim.submission is not None
    assert told.claim_id == claim.submission.claim_id
    assert told.status == claim.status
    assert told.holds == tuple(hold.reason for hold in claim.holds)
    assert told.amount == (None if claim.amount is None else str(claim.amount))
    assert told.policy_version == claim.policy_version
    assert told.district == claim.submission.review_district
    assert told.notice_ended == claim.notice_ended
    assert (told.person_id, told.organisation_id, told.certificate_id) == (
        claim.submission.person_id,
        claim.submission.organisation_id,
        claim.submission.certificate_id,
    )
    assert told.version == len(events)
    assert differences(told, as_shown(told.claim_id, claim)) == []


@settings(max_examples=150, deadline=None)
@every(LIVES)
def test_both_folds_agree_after_every_event_of_every_life(steps: list[Step]) -> None:
    world = World()
    for step in steps:
        world.take(step)
    for id, events in world.streams.items():
        written = records(id, events)
        for count in range(1, len(events) + 1):
            agree(fold(written[:count]), CLAIM.fold(events[:count]), events[:count])


RETURNED: tuple[Event, ...] = (*PASTS["payment_returned"], CORRECTED)
STORIES: dict[str, tuple[Event, ...]] = {
    **PASTS,
    "corrected before review": (*PASTS["correction_requested"], CORRECTED),
    "returned and corrected": RETURNED,
    "returned, corrected, refused and corrected again": (*RETURNED, PayeeChecked(matches=False, account=2), CORRECTED),
    "dropped from its batch": (*PASTS["payable, reserved"], held("death"), PaymentDropped(BATCH)),
    "objected to": (*PASTS["in_public_notice"], held("objection"), ENDED),
    "objected to in vain": (*PASTS["in_public_notice"], held("objection"), ENDED, HoldLifted("objection")),
    "rejected while on hold": (*PASTS["approved"], held("death"), REJECTED),
}


@pytest.mark.parametrize("story", STORIES)
def test_both_folds_agree_on_every_story(story: str) -> None:
    agree(fold(records("clm_1", STORIES[story])), CLAIM.fold(STORIES[story]), STORIES[story])


def test_the_auditor_knows_only_tags_that_subsidy_writes() -> None:
    assert set(STATUS_AFTER) <= {tag_of(kind) for kind in EVENTS} | older_tags().keys()
    assert set(STATUS_AFTER.values()) <= set(STATUSES)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "paid"),
        ("amount", "1800.01"),
        ("policy_version", "2026"),
        ("review_district", "310101"),
        ("person_id", "per_9"),
        ("holds", [{"reason": "death"}]),
    ],
)
def test_a_service_that_shows_something_else_is_found_out(field: str, value: Any) -> None:
    told, claim = fold(records("clm_1", [SUBMITTED, SCREENED])), CLAIM.fold([SUBMITTED, SCREENED])
    [finding] = differences(told, {**as_shown("clm_1", claim), field: value})
    assert finding.startswith(f"{field}：")
