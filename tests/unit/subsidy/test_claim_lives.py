"""Whatever is commanded in whatever order: states stay consistent and limits are what the folds say."""

from collections import Counter
from decimal import Decimal
from itertools import chain
from typing import get_args

import pytest
from hypothesis import given as every
from hypothesis import settings

from services.subsidy.domain.claim import BUDGET, CERTIFICATE, CLAIM, ENTITLEMENT, PERSON_PLACES, Claim, entitlement_key
from services.subsidy.domain.claim_events import (
    EVENTS,
    ClaimEvent,
    ClaimPaid,
    ClaimSubmitted,
    CommitmentCarried,
    HoldLifted,
    OutcomeAttested,
    PaymentDropped,
    PaymentOrdered,
    PaymentReturned,
    RecoveryWaived,
    Status,
)
from shared.eventstore.decider import Event
from tests.unit.subsidy.samples import (
    AMOUNT,
    ATTESTED,
    BATCH,
    CORRECTED,
    ESCALATED,
    LINE,
    PASTS,
    PERSON,
    RECOVERY,
    TODAY,
    facts,
    held,
    policy,
    rescreened,
)
from tests.unit.subsidy.world import BUDGET_BOUND, LIVES, NEXT_BOUND, NEXT_LINE, Step, World

FREED = ("rejected", "withdrawn")
PAID_OUT = ("paid", "recovering", "recovered")
OTHERS = (
    CORRECTED,
    held("death"),
    HoldLifted("death"),
    PaymentDropped(BATCH),
    ATTESTED,
    ESCALATED,
    rescreened(policy("newer"), facts()),
    OutcomeAttested(BATCH, "paid", "other", TODAY, "statement", "对账单-1", "usr_1"),
    CommitmentCarried(LINE, "training-fee-subsidy/2026", AMOUNT, TODAY),
    RecoveryWaived(RECOVERY, TODAY),
)
"""Events that no sample past holds."""


def lived(steps: list[Step]) -> World:
    world = World()
    for step in steps:
        world.take(step)
    return world


@pytest.mark.clause("B-12")
@pytest.mark.clause("B-13")
@pytest.mark.clause("B-14")
@settings(max_examples=300, deadline=None)
@every(LIVES)
def test_the_limits_are_what_the_folds_say_after_every_step(steps: list[Step]) -> None:
    world = World()
    for step in steps:
        world.take(step)
        committed: Counter[str] = Counter()
        for id in world.streams:
            claim = world.claim(id)
            held = world.limits.of(id)
            assert held == _owed(claim, held), (step, claim.status)
            committed[claim.budget_line or ""] += _committed(claim)  # type: ignore[assignment]
        for line, bound in ((LINE, BUDGET_BOUND), (NEXT_LINE, NEXT_BOUND)):
            assert world.limits.used.get((BUDGET, line), Decimal(0)) == committed[line] <= bound


def _owed(claim: Claim, held: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """What a claim must hold by its fold; which of the places is the store's choice."""
    if claim.submission is None or claim.status in FREED:
        assert not claim.holds_place
        return set()
    assert claim.submission.certificate_no is not None
    owed = {
        (CERTIFICATE, claim.submission.certificate_no),
        (ENTITLEMENT, entitlement_key(claim.submission.person_id, claim.submission.entitlement)),
    }
    places = {(scope, key) for scope, key in held if scope == PERSON_PLACES and key.startswith(f"{PERSON}/")}
    assert len(places) == claim.holds_place
    return owed | places


def _committed(claim: Claim) -> Decimal:
    if claim.budget_line is None or claim.status in FREED:
        return Decimal(0)
    assert claim.amount is not None
    return claim.amount


@pytest.mark.clause("B-13")
@pytest.mark.clause("B-14")
@settings(max_examples=200, deadline=None)
@every(LIVES)
def test_no_certificate_no_project_and_no_fourth_place_is_ever_paid(steps: list[Step]) -> None:
    world = lived(steps)
    paid = [claim for id in world.streams if (claim := world.claim(id)).status in PAID_OUT]
    submissions = [claim.submission for claim in paid if claim.submission is not None]
    assert sum(claim.holds_place for claim in paid) <= 3
    assert max(Counter(one.certificate_no for one in submissions).values(), default=0) <= 1
    assert max(Counter(one.project_id for one in submissions).values(), default=0) <= 1
    assert all(claim.holds_place for claim in paid if claim.status != "recovered")


@pytest.mark.clause("B-12")
@pytest.mark.clause("B-35")
@settings(max_examples=200, deadline=None)
@every(LIVES)
def test_budget_is_never_below_commitments_nor_commitments_below_payments(steps: list[Step]) -> None:
    world = lived(steps)
    paid: Counter[str] = Counter()
    for id, events in world.streams.items():
        paid[world.claim(id).budget_line or ""] += _net(events)  # type: ignore[assignment]
    for line, bound in ((LINE, BUDGET_BOUND), (NEXT_LINE, NEXT_BOUND)):
        assert paid[line] <= world.limits.used.get((BUDGET, line), Decimal(0)) <= bound


def _net(events: list[Event]) -> Decimal:
    """What has been paid, less what the bank sent back after it was paid."""
    paid: dict[str, Decimal] = {}
    for event in events:
        match event:
            case ClaimPaid(batch_id, amount):
                paid[batch_id] = amount
            case PaymentReturned(batch_id):
                paid.pop(batch_id, None)
    return sum(paid.values(), Decimal(0))


@settings(max_examples=200, deadline=None)
@every(LIVES)
def test_status_and_holds_never_contradict_each_other_nor_what_led_to_them(steps: list[Step]) -> None:
    world = World()
    for step in steps:
        world.take(step)
        for id, events in world.streams.items():
            claim = world.claim(id)
            assert claim.status in get_args(Status)
            assert len({hold.reason for hold in claim.holds}) == len(claim.holds)
            _check_story(claim, events)


def _check_story(claim: Claim, events: list[Event]) -> None:
    assert isinstance(events[0], ClaimSubmitted)
    if claim.status in FREED:
        assert claim.holds == ()
    if claim.approver is not None:
        assert claim.reviewer is not None
        assert claim.approver != claim.reviewer
        assert claim.budget_line is not None
        assert claim.policy_version is not None
    if claim.status in ("payable", "payment_ordered", "payment_unknown", "payment_returned", *PAID_OUT):
        assert claim.notice_ended
        assert claim.approver is not None
    if claim.status in ("payment_ordered", "payment_unknown", *PAID_OUT):
        assert claim.batch_id is not None
    if claim.status == "payment_ordered":
        orders = [event for event in events if isinstance(event, PaymentOrdered)]
        assert [order.attempt for order in orders] == list(range(1, len(orders) + 1))
        assert claim.attempts == len(orders)
    assert sum(order.in_flight or order.status == "paid" for order in claim.orders) <= 1
    assert all(order.status == "returned" for order in claim.orders[:-1])
    assert [order.attempt for order in claim.orders] == list(range(1, len(claim.orders) + 1))
    assert _net(events) == (claim.amount if claim.status in PAID_OUT else 0)
    assert all(event.amount == claim.amount for event in events if isinstance(event, ClaimPaid))


@settings(max_examples=200, deadline=None)
@every(LIVES)
def test_a_claim_that_has_ended_stays_as_it_ended(steps: list[Step]) -> None:
    world = World()
    ended: dict[str, Claim] = {}
    for step in steps:
        world.take(step)
        for id in world.streams:
            claim = world.claim(id)
            if id in ended:
                assert claim == ended[id]
            elif claim.ended and claim.status != "paid":
                ended[id] = claim


@pytest.mark.clause("B-19")
@settings(max_examples=200, deadline=None)
@every(LIVES)
def test_what_was_paid_leaves_that_state_by_a_return_or_a_recovery_only(steps: list[Step]) -> None:
    world = World()
    before: dict[str, str] = {}
    for step in steps:
        world.take(step)
        for id in world.streams:
            now = world.claim(id).status
            if before.get(id) == "paid":
                assert now in ("paid", "payment_returned", "recovering")
            before[id] = now


@pytest.mark.parametrize("past", PASTS)
@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_every_event_folds_into_every_state(kind: type[ClaimEvent], past: str) -> None:
    event = next(event for event in (*chain(*PASTS.values()), *OTHERS) if isinstance(event, kind))
    claim = CLAIM.evolve(CLAIM.fold(PASTS[past]), event)
    assert isinstance(claim, Claim)
    list(CLAIM.limits(CLAIM.fold(PASTS[past]), event))


@settings(max_examples=50, deadline=None)
@every(LIVES)
def test_a_fold_in_two_halves_is_the_fold(steps: list[Step]) -> None:
    for events in lived(steps).streams.values():
        half = len(events) // 2
        assert CLAIM.fold(events[half:], CLAIM.fold(events[:half])) == CLAIM.fold(events)


def test_the_lives_reach_every_state() -> None:
    """The generator would be of little use if it did not."""
    reached: set[str] = set()

    @settings(max_examples=400, deadline=None, database=None, derandomize=True)
    @every(LIVES)
    def live(steps: list[Step]) -> None:
        world = World()
        for step in steps:
            world.take(step)
            reached.update(world.claim(id).status for id in world.streams)

    live()
    assert reached == set(get_args(Status))
