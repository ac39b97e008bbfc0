"""Policy versions: data, dated, in force by a second person's word, never edited."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given as every
from hypothesis import strategies as st

from services.subsidy.domain.policy import (
    PROGRAMME,
    ActivatePolicy,
    ActiveVersions,
    DraftPolicy,
    PolicyActivated,
    PolicyDrafted,
    PolicySimulated,
    Programme,
    RecordSimulation,
    decide,
    not_simulable,
    stream_of,
)
from services.subsidy.domain.policy_version import PolicyVersion
from shared.eventstore.decider import Event, Rejection, Row
from shared.testing.spec import given
from tests.unit.subsidy.samples import POLICIES, POLICY, policy

DAY = timedelta(days=1)
DRAFTED = PolicyDrafted(POLICY, "usr_1")


def simulated(version: str = "2023-7", simulation_id: str = "opn_1") -> PolicySimulated:
    return PolicySimulated(
        "training-fee-subsidy", version, simulation_id, 10, 1, 2, Decimal("1800.00"), Decimal("3600.00"), "usr_1"
    )


SIMULATED = simulated()
ACTIVATED = PolicyActivated("training-fee-subsidy", "2023-7", "usr_2")


def dated(version: str, first: date, last: date) -> PolicyVersion:
    return msgspec.structs.replace(POLICY, version=version, effective_from=first, effective_until=last)


@pytest.mark.clause("B-01")
def test_every_shipped_policy_is_of_the_vocabulary_and_can_be_drafted() -> None:
    paths = sorted(POLICIES.glob("*.json"))
    assert paths
    for path in paths:
        shipped = msgspec.json.decode(path.read_bytes(), type=PolicyVersion)
        given(PROGRAMME).when(decide, DraftPolicy(shipped, "usr_1")).then(PolicyDrafted(shipped, "usr_1"))


@pytest.mark.clause("B-01")
def test_the_readings_of_the_training_fee_subsidy_are_the_documented_ones() -> None:
    assert (POLICY.effective_from, POLICY.effective_until) == (date(2023, 5, 1), date(2025, 12, 31))
    assert msgspec.structs.asdict(POLICY.parameters) == {
        "amount": Decimal("1800.00"),
        "places": 3,
        "window_months": 12,
        "organisation_years": 3,
        "roles": ("legal_representative", "responsible_person", "partner"),
        "notice_working_days": 5,
        "correction_working_days": 5,
        "objection_working_days": 5,
        "categories": (),
        "most_units": 1,
        "review_working_days": 20,
        "approval_working_days": 10,
        "payment_working_days": 15,
        "names_masked": False,
        "recovered_frees": False,
    }


@pytest.mark.clause("B-01")
def test_a_version_is_in_force_from_its_first_day_through_its_last() -> None:
    first, last = POLICY.effective_from, POLICY.effective_until
    assert [POLICY.in_force_on(day) for day in (first - DAY, first, last, last + DAY)] == [False, True, True, False]


def test_a_drafted_version_is_in_force_only_when_another_person_has_put_it_in_force() -> None:
    given(PROGRAMME, DRAFTED, SIMULATED).when(decide, ActivatePolicy("2023-7", "usr_1")).then_rejected(
        "second_person_required", 403
    )
    programme = given(PROGRAMME, DRAFTED, SIMULATED).when(decide, ActivatePolicy("2023-7", "usr_2")).then(ACTIVATED)
    assert programme.versions["2023-7"].status == "active"
    assert PROGRAMME.rows("pol_training-fee-subsidy", programme, ACTIVATED) == (
        Row("policy", "training-fee-subsidy", ActiveVersions((POLICY,))),
    )
    assert PROGRAMME.rows("pol_training-fee-subsidy", programme, DRAFTED) == ()


@pytest.mark.clause("B-01")
def test_a_version_that_was_not_simulated_is_not_put_in_force() -> None:
    rejected = given(PROGRAMME, DRAFTED).when(decide, ActivatePolicy("2023-7", "usr_2"))
    assert rejected.then_rejected("policy_not_simulated").detail == "批准生效前须先试算"
    another = (PolicyDrafted(policy("other"), "usr_1"), simulated("other"))
    given(PROGRAMME, DRAFTED, *another).when(decide, ActivatePolicy("2023-7", "usr_2")).then_rejected(
        "policy_not_simulated"
    )


def test_a_simulation_is_recorded_once_and_the_latest_is_shown() -> None:
    recorded = given(PROGRAMME, DRAFTED).when(decide, RecordSimulation(SIMULATED)).then(SIMULATED)
    assert (recorded.versions["2023-7"].status, recorded.versions["2023-7"].simulation_id) == ("simulated", "opn_1")
    given(PROGRAMME, DRAFTED, SIMULATED).when(decide, RecordSimulation(SIMULATED)).then_nothing()
    again = simulated(simulation_id="opn_2")
    past = (DRAFTED, SIMULATED, ACTIVATED)
    compared = given(PROGRAMME, *past).when(decide, RecordSimulation(again)).then(again)
    assert (compared.versions["2023-7"].status, compared.versions["2023-7"].simulation_id) == ("active", "opn_2")
    given(PROGRAMME).when(decide, RecordSimulation(SIMULATED)).then_rejected("not_found", 404)


def test_what_nobody_can_say_the_cost_of_is_not_simulated() -> None:
    unset = policy("unset", amount=None)
    programme = PROGRAMME.fold((DRAFTED, PolicyDrafted(unset, "usr_1")))
    assert not_simulable(programme, "2023-7") is None
    refused = [not_simulable(programme, version) for version in ("unset", "none")]
    assert [item and item.code for item in refused] == ["policy_amount_unset", "not_found"]


def test_a_version_is_never_edited_and_drafting_it_again_changes_nothing() -> None:
    given(PROGRAMME, DRAFTED).when(decide, DraftPolicy(POLICY, "usr_3")).then_nothing()
    edited = policy(amount=Decimal("2000.00"))
    given(PROGRAMME, DRAFTED).when(decide, DraftPolicy(edited, "usr_1")).then_rejected("policy_exists")
    given(PROGRAMME, DRAFTED, ACTIVATED).when(decide, DraftPolicy(edited, "usr_1")).then_rejected("policy_exists")


def test_a_version_is_put_in_force_once() -> None:
    given(PROGRAMME, DRAFTED, ACTIVATED).when(decide, ActivatePolicy("2023-7", "usr_3")).then_nothing()


def test_an_unknown_version_is_not_put_in_force() -> None:
    given(PROGRAMME).when(decide, ActivatePolicy("2023-7", "usr_2")).then_rejected("not_found", 404)


def test_a_version_does_not_end_before_it_begins() -> None:
    backwards = dated("x", date(2026, 1, 2), date(2026, 1, 1))
    given(PROGRAMME).when(decide, DraftPolicy(backwards, "usr_1")).then_rejected("invalid_policy", 422)


@pytest.mark.clause("B-11")
@pytest.mark.parametrize("amount", ["0", "0.00", "-1800.00", "1800.005", "NaN", "Infinity", "-Infinity", "1E+30"])
def test_a_version_whose_amount_is_not_set_or_not_money_is_refused(amount: str) -> None:
    command = DraftPolicy(policy(amount=Decimal(amount)), "usr_1")
    given(PROGRAMME).when(decide, command).then_rejected("invalid_policy", 422)


@pytest.mark.clause("B-01")
@pytest.mark.parametrize(
    ("first", "last", "overlaps"),
    [
        (date(2026, 1, 1), date(2026, 12, 31), False),
        (date(2022, 1, 1), date(2023, 4, 30), False),
        (date(2025, 12, 31), date(2026, 12, 31), True),
        (date(2022, 1, 1), date(2023, 5, 1), True),
        (date(2024, 1, 1), date(2024, 1, 1), True),
        (date(2020, 1, 1), date(2030, 1, 1), True),
    ],
)
def test_no_day_has_two_versions_in_force(first: date, last: date, overlaps: bool) -> None:
    past = (DRAFTED, ACTIVATED, PolicyDrafted(dated("next", first, last), "usr_1"), simulated("next"))
    outcome = given(PROGRAMME, *past).when(decide, ActivatePolicy("next", "usr_2"))
    if overlaps:
        outcome.then_rejected("policy_overlap")
    else:
        outcome.then(PolicyActivated("training-fee-subsidy", "next", "usr_2"))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("rules", 0, "check", "op"), "astrology"),
        (("parameters", "bonus"), 1),
        (("colour",), "red"),
        (("effective_from",), ""),
    ],
)
def test_a_document_outside_the_vocabulary_is_not_a_policy(path: tuple[Any, ...], value: Any) -> None:
    document: Any = msgspec.to_builtins(POLICY)
    inside = document
    for part in path[:-1]:
        inside = inside[part]
    inside[path[-1]] = value
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, PolicyVersion)


@pytest.mark.clause("B-01")
@every(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 200), st.integers(0, 120), st.sampled_from(["draft", "activate"]))
    )
)
def test_whatever_is_drafted_and_activated_each_day_has_at_most_one_version(
    steps: list[tuple[int, int, int, str]],
) -> None:
    events: list[Event] = []
    for number, start, length, what in steps:
        first = date(2026, 1, 1) + start * DAY
        command = (
            DraftPolicy(dated(str(number), first, first + length * DAY), "usr_1")
            if what == "draft"
            else ActivatePolicy(str(number), "usr_2")
        )
        decision = decide(command, PROGRAMME.fold(events))
        events += [] if isinstance(decision, Rejection) else decision
        if what == "draft" and not isinstance(decision, Rejection):
            events.append(simulated(str(number)))
    programme: Programme = PROGRAMME.fold(events)
    active = ActiveVersions(tuple(item.policy for item in programme.versions.values() if item.activated_by))
    for offset in range(330):
        day = date(2026, 1, 1) + offset * DAY
        standing = [version for version in active.versions if version.in_force_on(day)]
        assert len(standing) <= 1
        assert active.on(day) == (standing[0] if standing else None)
    for version in active.versions:
        assert active.named(version.version) == version
    assert active.named("none") is None


def test_a_programmes_versions_are_one_stream() -> None:
    assert stream_of("training-fee-subsidy") == "pol_training-fee-subsidy"
