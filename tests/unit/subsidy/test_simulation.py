"""What if: who gains and who loses under another version, by what was known and decided of each claim."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given as every
from hypothesis import strategies as st
from msgspec.structs import asdict

from services.subsidy.domain.facts import Facts
from services.subsidy.domain.policy_version import PolicyVersion
from services.subsidy.domain.screening import amount_of, compiled, verdict
from services.subsidy.domain.simulation import Compared, Tally, compare
from services.subsidy.domain.snapshot import JudgedFacts, Snapshot, Standing, evolve
from services.subsidy.projections.snapshots import decode_facts
from shared.eventstore.decider import Event
from tests.unit.subsidy.samples import (
    AMOUNT,
    APPROVED,
    ATTESTED,
    CHECKED,
    CORRECTED,
    PASTS,
    POLICY,
    REJECTED,
    RETURNED,
    SCREENED,
    SUBMITTED,
    facts,
    policy,
    rescreened,
    without,
)

NOTHING = Decimal(0)
HIGHER = policy("higher", amount=Decimal("2000.00"))
STRICTER = policy("stricter", window_months=1)
"""Claims that were submitted more than a month after the certificate fail it."""
PASSING = facts(payee_matches=True)
OUTSIDE = facts(payee_matches=True, organisation_area="320500")
WIDER = without("organisation_local")


def compared(
    standing: Standing, known: Facts, then: PolicyVersion, *, amount: Decimal = AMOUNT, now: PolicyVersion = POLICY
) -> Compared:
    return compare(standing, amount, known, compiled(now), compiled(then))


@pytest.mark.clause("B-01")
@pytest.mark.parametrize(
    ("standing", "known", "then", "expected"),
    [
        ("pending", PASSING, HIGHER, ("gaining", "1800.00", "2000.00")),
        ("pending", PASSING, STRICTER, ("losing", "1800.00", "0")),
        ("pending", OUTSIDE, WIDER, ("gaining", "0", "1800.00")),
        ("pending", OUTSIDE, HIGHER, ("unchanged", "0", "0")),
        ("pending", facts(), HIGHER, ("unchanged", "0", "0")),
        ("pending", facts(), STRICTER, ("losing", "0", "0")),
        ("pending", facts(organisation_area="320500"), WIDER, ("gaining", "0", "0")),
        ("paid", PASSING, HIGHER, ("gaining", "1800.00", "2000.00")),
        ("paid", PASSING, STRICTER, ("losing", "1800.00", "0")),
        ("paid", OUTSIDE, HIGHER, ("unchanged", "1800.00", "1800.00")),
        ("approved", PASSING, STRICTER, ("losing", "1800.00", "0")),
        ("rejected", OUTSIDE, WIDER, ("gaining", "0", "1800.00")),
        ("rejected", OUTSIDE, STRICTER, ("unchanged", "0", "0")),
        ("rejected", PASSING, HIGHER, ("unchanged", "0", "0")),
        ("rejected", PASSING, STRICTER, ("unchanged", "0", "0")),
        ("withdrawn", OUTSIDE, WIDER, ("unchanged", "0", "0")),
    ],
)
def test_who_gains_and_who_loses(
    standing: Standing, known: Facts, then: PolicyVersion, expected: tuple[str, str, str]
) -> None:
    group, now, later = expected
    assert compared(standing, known, then) == (group, Decimal(now), Decimal(later))


def test_a_version_that_pays_less_is_a_loss_for_those_whom_it_pays() -> None:
    assert compared("paid", PASSING, POLICY, amount=Decimal("2000.00"), now=HIGHER) == (
        "losing", Decimal("2000.00"), AMOUNT
    )  # fmt: skip


def test_an_amount_that_is_not_set_pays_nobody() -> None:
    assert compared("paid", PASSING, policy("unset", amount=None)) == ("losing", AMOUNT, NOTHING)


days = st.dates(min_value=facts().submitted_on.replace(year=2020), max_value=facts().submitted_on.replace(year=2027))
maybe = st.none() | st.booleans()
any_facts = st.builds(
    facts,
    submitted_on=days,
    certificate_kind=st.sampled_from(["qualification", "attendance", None]),
    certificate_issued_on=st.none() | days,
    certificate_revoked_on=st.none() | days,
    certificate_is_claimants=maybe,
    organisation_area=st.sampled_from(["310115", "310103", "320500", None]),
    organisation_registered_on=st.none() | days,
    places_held=st.integers(0, 5),
    project_held_by=st.sampled_from([None, "clm_2"]),
    payee_matches=maybe,
)
versions = st.builds(
    policy,
    st.just("any"),
    amount=st.sampled_from([Decimal("1.00"), Decimal("1800.00"), None]),
    window_months=st.integers(1, 24),
    organisation_years=st.integers(0, 5),
    places=st.integers(1, 5),
)
standings = st.sampled_from(["pending", "approved", "paid", "rejected", "withdrawn"])


@pytest.mark.clause("B-01")
@every(standings, any_facts, versions)
def test_the_version_that_judged_changes_nothing(standing: Standing, known: Facts, version: PolicyVersion) -> None:
    amount = amount_of(version, known) or AMOUNT
    found = compared(standing, known, version, amount=amount, now=version)
    assert found.group == "unchanged"
    assert found.cost_now == found.cost_then


@every(any_facts, versions, versions)
def test_what_is_pending_gains_one_way_as_it_loses_the_other(
    known: Facts, one: PolicyVersion, other: PolicyVersion
) -> None:
    there, back = compared("pending", known, other, now=one), compared("pending", known, one, now=other)
    opposite = {"gaining": "losing", "losing": "gaining", "unchanged": "unchanged"}
    assert back == (opposite[there.group], there.cost_then, there.cost_now)


def test_sums_are_exact_by_district_and_month_and_name_some_claims() -> None:
    tally = Tally()
    for number in range(30):
        tally.add(f"clm_{number:02}", "310115", "2025-03", Compared("gaining", Decimal("0.10"), Decimal("0.30")))
    tally.add("clm_99", "310101", "2025-04", Compared("losing", AMOUNT, NOTHING))
    tally.not_judged += 1
    found = tally.result("opn_1", "training-fee-subsidy", "higher")
    counts = (found.claims, found.not_judged, found.gaining, found.losing, found.unchanged)
    assert (*counts, found.cost_now, found.cost_then) == (31, 1, 30, 1, 0, Decimal("1803.00"), Decimal("9.00"))
    assert [(cell.district, cell.month, cell.claims) for cell in found.by_district_and_month] == [
        ("310101", "2025-04", 1), ("310115", "2025-03", 30)
    ]  # fmt: skip
    assert sum((cell.cost_then for cell in found.by_district_and_month), NOTHING) == found.cost_then
    assert found.examples.gaining == tuple(f"clm_{number:02}" for number in range(20))
    assert (found.examples.losing, found.examples.unchanged) == (("clm_99",), ())


# -- the snapshot that a claim's events leave -------------------------------------------------------------------------


def snapshot_of(*events: Event) -> Snapshot:
    found = Snapshot()
    for event in events:
        try:
            found = evolve(found, event)
        except KeyError:
            continue
    return found


@pytest.mark.parametrize("state", sorted(PASTS))
def test_a_snapshot_says_what_was_decided(state: str) -> None:
    expected = {
        "paid": "paid",
        "recovering": "paid",
        "recovered": "paid",
        "rejected": "rejected",
        "withdrawn": "withdrawn",
    }
    late = {"approved", "in_public_notice", "payable", "payable, reserved"}
    late |= {"payment_ordered", "payment_unknown", "payment_returned"}
    found = snapshot_of(*PASTS[state])
    assert found.standing == ("approved" if state in late else expected.get(state, "pending"))
    assert found.amount == (AMOUNT if found.standing in ("approved", "paid") else NOTHING)
    assert (found.district, found.month, found.policy_version) == ("310115", "2025-03", "2023-7")


def test_money_that_came_back_is_to_be_paid_again() -> None:
    assert snapshot_of(*PASTS["paid"], RETURNED).standing == "approved"


def test_the_facts_are_those_of_the_latest_screening_with_what_was_answered_since() -> None:
    assert snapshot_of(SUBMITTED).facts is None
    checked = snapshot_of(SUBMITTED, SCREENED, CHECKED, ATTESTED)
    assert checked.facts == JudgedFacts(**asdict(facts(payee_matches=True, attested={"months": True})))
    assert verdict(compiled(POLICY), checked.facts) is True
    again = snapshot_of(SUBMITTED, CHECKED, rescreened(HIGHER, facts(places_held=2)))
    assert (again.policy_version, again.facts and again.facts.places_held) == ("higher", 2)
    assert again.facts is not None
    assert again.facts.payee_matches is True
    corrected = snapshot_of(SUBMITTED, SCREENED, CHECKED, CORRECTED)
    assert corrected.facts is not None
    assert corrected.facts.payee_matches is None


def test_a_rejection_takes_back_what_was_approved() -> None:
    assert snapshot_of(SUBMITTED, SCREENED, APPROVED, REJECTED).amount == NOTHING


@every(any_facts)
def test_facts_survive_being_kept(known: Facts) -> None:
    kept: Any = JudgedFacts(**asdict(known))
    assert decode_facts(msgspec.msgpack.encode(kept)) == kept
