"""A batch: recommended by a carrier, reviewed by one person, approved by another."""

from datetime import date, timedelta

import pytest
from msgspec.structs import replace

from services.loans.domain.batch import (
    BATCH,
    ApproveBatch,
    BatchApproved,
    BatchCommand,
    BatchRecommended,
    BatchRejected,
    BatchReviewed,
    Candidate,
    RecommendBatch,
    Refusal,
    RejectBatch,
    ReviewBatch,
    Standing,
    decide,
)
from services.loans.domain.screening import CertificateSeen, ConsentSeen, already_in_effect, screen
from shared.eventstore.record import encode_payload
from shared.values.ids import ConsentId, OrganisationId, PersonId, WhitelistEntryId, new_id, uuid7

from .samples import (
    APPROVER,
    BANKS,
    BATCH_ID,
    CANDIDATE_1,
    CANDIDATE_2,
    ENTRY_1,
    ENTRY_2,
    GOOD,
    LAST_DAY,
    RECOMMEND,
    REVIEWER,
    TODAY,
    WITHDRAWN,
    facts,
    recommendation,
)
from .spec import given

RECOMMENDED = BatchRecommended(
    batch_id=BATCH_ID,
    carrier_code="demo-1",
    district="310115",
    bank_codes=BANKS,
    valid_until=LAST_DAY,
    entries=(recommendation(CANDIDATE_1), recommendation(CANDIDATE_2)),
    recommended_on=TODAY,
)
REVIEWED = BatchReviewed(BATCH_ID, REVIEWER, (), TODAY)
APPROVED = BatchApproved(BATCH_ID, APPROVER, (ENTRY_1, ENTRY_2), (), TODAY)
REJECTED = BatchRejected(BATCH_ID, REVIEWER, ("材料不实",), TODAY)

BOTH_GOOD = {ENTRY_1: Standing(GOOD), ENTRY_2: Standing(facts(certificate=None))}
APPROVE = ApproveBatch(APPROVER, BOTH_GOOD, TODAY)
CONSENT_GONE = tuple(result for result in screen(WITHDRAWN) if not result.passed)


# -- recommendation ---------------------------------------------------------------------------------------------------


@pytest.mark.clause("A-12")
def test_a_carrier_recommends_a_batch_and_each_entry_is_screened() -> None:
    given(BATCH).when(decide, RECOMMEND).then(RECOMMENDED)


@pytest.mark.clause("A-12")
def test_an_entry_that_fails_its_screening_is_recommended_all_the_same_for_a_person_to_decide() -> None:
    poor = replace(CANDIDATE_1, facts=WITHDRAWN)
    command = replace(RECOMMEND, candidates=(poor,))
    given(BATCH).when(decide, command).then(replace(RECOMMENDED, entries=(recommendation(poor),)))


@pytest.mark.parametrize("count", [0, 201])
def test_a_batch_holds_one_to_two_hundred_entries(count: int) -> None:
    command = replace(RECOMMEND, candidates=many(count))
    assert given(BATCH).when(decide, command).refused("invalid_request", 422).fields[0].pointer == "/entries"


def test_a_batch_names_the_banks_that_may_see_it() -> None:
    refused = given(BATCH).when(decide, replace(RECOMMEND, bank_codes=())).refused("invalid_request", 422)
    assert refused.fields[0].pointer == "/bank_codes"


@pytest.mark.parametrize("valid_until", [date(2025, 3, 3), date(2027, 3, 3)])
def test_validity_lasts_from_today_to_the_same_day_24_months_later(valid_until: date) -> None:
    command = replace(RECOMMEND, valid_until=valid_until)
    given(BATCH).when(decide, command).then(replace(RECOMMENDED, valid_until=valid_until))


@pytest.mark.parametrize("valid_until", [date(2025, 3, 2), date(2027, 3, 4)])
def test_validity_in_the_past_or_beyond_24_months_is_refused(valid_until: date) -> None:
    refused = given(BATCH).when(decide, replace(RECOMMEND, valid_until=valid_until)).refused("invalid_request", 422)
    assert refused.fields[0].pointer == "/valid_until"


def test_the_same_person_and_organisation_stand_in_a_batch_once() -> None:
    twice = (CANDIDATE_1, replace(CANDIDATE_1, entry_id=ENTRY_2))
    refused = given(BATCH).when(decide, replace(RECOMMEND, candidates=twice)).refused("invalid_request", 422)
    assert (refused.fields[0].pointer, refused.fields[0].code) == ("/entries/1", "duplicate_entry")


def many(count: int) -> tuple[Candidate, ...]:
    """Candidates that fail every rule, with ids and numbers as long as they get."""
    worst = facts(
        consent=ConsentSeen(False, "whitelist_recommendation", "banks", TODAY),
        organisation_deregistered_on=TODAY,
        person_died_on=TODAY,
        certificate=CertificateSeen(False, TODAY),
    )
    return tuple(
        Candidate(
            WhitelistEntryId(new_id("wle", uuid7())),
            PersonId(new_id("per", uuid7())),
            OrganisationId(new_id("org", uuid7())),
            ConsentId(new_id("con", uuid7())),
            "S" * 64,
            worst,
        )
        for _ in range(count)
    )


def test_the_largest_batch_and_its_worst_approval_fit_into_one_event_each() -> None:
    [recommended] = decide(replace(RECOMMEND, candidates=many(200)), BATCH.initial())  # type: ignore[misc]
    assert isinstance(recommended, BatchRecommended)
    assert len(encode_payload(recommended)) < 256 * 1024
    state = BATCH.fold([recommended, REVIEWED])
    last, *others = [entry.entry_id for entry in recommended.entries]
    bad = many(1)[0].facts
    standings = {id: Standing(bad, ENTRY_1) for id in others} | {last: Standing(GOOD)}
    [approved] = decide(ApproveBatch(APPROVER, standings, TODAY), state)  # type: ignore[misc]
    assert len(encode_payload(approved)) < 256 * 1024


# -- review -----------------------------------------------------------------------------------------------------------


@pytest.mark.clause("A-12")
def test_a_reviewer_recommends_approval() -> None:
    given(BATCH, RECOMMENDED).when(decide, ReviewBatch(REVIEWER, (), TODAY)).then(REVIEWED)


@pytest.mark.parametrize("after", [(REVIEWED,), (REVIEWED, APPROVED), (REJECTED,)])
def test_a_batch_is_reviewed_once(after: tuple[BatchReviewed | BatchApproved | BatchRejected, ...]) -> None:
    given(BATCH, RECOMMENDED, *after).when(decide, ReviewBatch(REVIEWER, (), TODAY)).refused("wrong_state")


@pytest.mark.parametrize("before", [(), (REVIEWED,)])
def test_a_person_signs_the_rejection_at_review_or_at_approval(before: tuple[BatchReviewed, ...]) -> None:
    command = RejectBatch(REVIEWER, ("材料不实",), TODAY)
    given(BATCH, RECOMMENDED, *before).when(decide, command).then(REJECTED)
    rejected = BATCH.fold([RECOMMENDED, *before, REJECTED])
    assert {entry.status for entry in rejected.entries} == {"rejected"}


@pytest.mark.parametrize("after", [(REVIEWED, APPROVED), (REJECTED,)])
def test_a_decided_batch_is_not_rejected(after: tuple[BatchReviewed | BatchApproved | BatchRejected, ...]) -> None:
    given(BATCH, RECOMMENDED, *after).when(decide, RejectBatch(APPROVER, ("x",), TODAY)).refused("wrong_state")


# -- approval ---------------------------------------------------------------------------------------------------------


@pytest.mark.clause("A-12")
def test_a_second_person_approves() -> None:
    given(BATCH, RECOMMENDED, REVIEWED).when(decide, APPROVE).then(APPROVED)


def test_the_reviewer_does_not_approve() -> None:
    command = replace(APPROVE, approver=REVIEWER)
    given(BATCH, RECOMMENDED, REVIEWED).when(decide, command).refused("second_person_required", 403)


@pytest.mark.parametrize("after", [(), (REVIEWED, APPROVED), (REJECTED,)])
def test_only_a_reviewed_batch_is_approved(after: tuple[BatchReviewed | BatchApproved | BatchRejected, ...]) -> None:
    given(BATCH, RECOMMENDED, *after).when(decide, APPROVE).refused("wrong_state")


@pytest.mark.clause("A-12")
def test_an_entry_whose_consent_was_withdrawn_meanwhile_is_refused_by_name_and_the_others_go_on() -> None:
    command = replace(APPROVE, standings=BOTH_GOOD | {ENTRY_1: Standing(WITHDRAWN)})
    expected = replace(APPROVED, approved=(ENTRY_2,), refused=(Refusal(ENTRY_1, CONSENT_GONE),))
    given(BATCH, RECOMMENDED, REVIEWED).when(decide, command).then(expected)
    first, second = BATCH.fold([RECOMMENDED, REVIEWED, expected]).entries
    assert (first.status, second.status) == ("refused", "approved")
    assert [result.rule for result in first.screening if not result.passed] == ["consent"]
    assert len(first.screening) == len(screen(GOOD))


@pytest.mark.clause("A-12")
def test_a_pair_that_a_bank_sees_already_is_refused_by_name() -> None:
    command = replace(APPROVE, standings=BOTH_GOOD | {ENTRY_2: Standing(GOOD, "wle_0")})
    refusal = Refusal(ENTRY_2, (already_in_effect("wle_0"),))
    expected = replace(APPROVED, approved=(ENTRY_1,), refused=(refusal,))
    given(BATCH, RECOMMENDED, REVIEWED).when(decide, command).then(expected)
    shown = BATCH.fold([RECOMMENDED, REVIEWED, expected]).entries[1].screening
    assert shown[-1] == already_in_effect("wle_0")


def test_a_batch_in_which_nothing_passes_is_not_approved() -> None:
    command = replace(APPROVE, standings={ENTRY_1: Standing(WITHDRAWN), ENTRY_2: Standing(GOOD, "wle_0")})
    refused = given(BATCH, RECOMMENDED, REVIEWED).when(decide, command).refused("no_entry_passes")
    assert refused.extensions == {"refused": [ENTRY_1, ENTRY_2]}


def test_a_batch_whose_validity_has_passed_is_not_approved() -> None:
    command = replace(APPROVE, today=LAST_DAY + timedelta(days=1))
    given(BATCH, RECOMMENDED, REVIEWED).when(decide, command).refused("validity_over")


@pytest.mark.parametrize("command", [ReviewBatch(REVIEWER, (), TODAY), APPROVE, RejectBatch(APPROVER, ("x",), TODAY)])
def test_a_batch_that_nobody_recommended_is_not_found(command: BatchCommand) -> None:
    assert not isinstance(command, RecommendBatch)
    given(BATCH).when(decide, command).refused("not_found", 404)
