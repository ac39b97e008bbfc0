"""Screening: every rule against the facts at its edges, with the clause that it carries out."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given as every
from hypothesis import strategies as st

from services.subsidy.domain.facts import Facts, RoleHeld
from services.subsidy.domain.policy_version import PolicyVersion
from services.subsidy.domain.screening import RuleResult, amount_of, screen
from shared.values.calendar import add_months, anniversary
from shared.values.districts import RETIRED, District
from tests.unit.subsidy.samples import ISSUED, POLICY, TODAY, facts, policy

DAY = timedelta(days=1)
RULES = {
    "certificate", "window", "organisation_local", "organisation_age", "role", "once_per_project", "limit", "payee",
}  # fmt: skip


def judged(rule: str, given: Facts, version: PolicyVersion = POLICY) -> RuleResult:
    [found] = [result for result in screen(version, given) if result.rule == rule]
    return found


def passes(rule: str, **changes: Any) -> bool | None:
    return judged(rule, facts(**changes)).passed


def test_every_rule_of_the_version_is_judged_in_its_order_and_names_its_clause() -> None:
    results = screen(POLICY, facts())
    assert [(result.rule, result.clause, result.text) for result in results] == [
        (rule.name, rule.clause, rule.text) for rule in POLICY.rules
    ]
    assert {rule.name for rule in POLICY.rules} == RULES


@pytest.mark.parametrize(
    ("rule", "clause"),
    [("certificate", "B-09"), ("window", "B-15"), ("organisation_local", "B-10"), ("organisation_age", "B-10"),
     ("role", "B-10"), ("once_per_project", "B-13"), ("limit", "B-14"), ("payee", "B-19")],
)  # fmt: skip
def test_the_shipped_version_cites_the_clause_of_each_rule(rule: str, clause: str) -> None:
    assert judged(rule, facts()).clause == clause


@pytest.mark.clause("B-11")
def test_the_amount_is_the_versions() -> None:
    assert str(amount_of(POLICY, facts())) == "1800.00"


# -- the certificate -------------------------------------------------------------------------------------------------


@pytest.mark.clause("B-09")
@pytest.mark.clause("B-07")
@pytest.mark.parametrize(
    ("changes", "passed"),
    [
        ({}, True),
        ({"certificate_kind": "completion"}, False),
        ({"certificate_stage": "growth"}, False),
        ({"certificate_stage": "preparation"}, False),
        ({"certificate_stage": "awareness"}, False),
        ({"certificate_revoked_on": TODAY}, False),
        ({"certificate_revoked_on": ISSUED}, False),
        ({"certificate_is_claimants": False}, False),
    ],
)
def test_a_valid_qualification_of_the_start_up_stage_in_the_claimants_name_is_needed(
    changes: dict[str, Any], passed: bool
) -> None:
    assert passes("certificate", **changes) is passed


# -- the window ------------------------------------------------------------------------------------------------------


@pytest.mark.clause("B-15")
@pytest.mark.parametrize(
    ("issued", "last_day"),
    [
        (date(2025, 1, 10), date(2026, 1, 10)),
        (date(2024, 2, 29), date(2025, 2, 28)),
        (date(2023, 2, 28), date(2024, 2, 28)),
        (date(2025, 2, 28), date(2026, 2, 28)),
        (date(2024, 12, 31), date(2025, 12, 31)),
        (date(2025, 12, 31), date(2026, 12, 31)),
        (date(2023, 5, 1), date(2024, 5, 1)),
        (date(2025, 4, 30), date(2026, 4, 30)),
    ],
)
def test_the_window_ends_on_the_same_day_of_the_month_twelve_months_later_inclusive(
    issued: date, last_day: date
) -> None:
    for submitted, passed in ((issued - DAY, False), (issued, True), (last_day, True), (last_day + DAY, False)):
        result = judged("window", facts(certificate_issued_on=issued, submitted_on=submitted))
        assert result.passed is passed
        assert result.facts["last_day"] == last_day.isoformat()


@pytest.mark.clause("B-15")
@pytest.mark.parametrize(
    ("issued", "months", "last_day"),
    [
        (date(2025, 3, 31), 6, date(2025, 9, 30)),
        (date(2025, 1, 31), 1, date(2025, 2, 28)),
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2025, 8, 31), 18, date(2027, 2, 28)),
    ],
)
def test_where_the_day_is_missing_the_window_ends_with_the_month(issued: date, months: int, last_day: date) -> None:
    version = policy(window_months=months)
    for submitted, passed in ((last_day, True), (last_day + DAY, False)):
        given = facts(certificate_issued_on=issued, submitted_on=submitted)
        assert judged("window", given, version).passed is passed


@pytest.mark.clause("B-15")
@every(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.integers(-400, 800))
def test_any_day_is_in_the_window_exactly_from_issue_to_the_last_day(issued: date, offset: int) -> None:
    submitted = issued + offset * DAY
    expected = issued <= submitted <= add_months(issued, 12)
    assert passes("window", certificate_issued_on=issued, submitted_on=submitted) is expected


# -- the organisation ------------------------------------------------------------------------------------------------


@pytest.mark.clause("B-10")
@pytest.mark.parametrize("district", District)
def test_each_of_the_sixteen_districts_is_local(district: District) -> None:
    result = judged("organisation_local", facts(organisation_area=district.value))
    assert result.passed is True
    assert result.facts["district"] == district.value


@pytest.mark.clause("B-10")
@pytest.mark.parametrize("area", RETIRED)
def test_a_retired_area_counts_as_the_district_that_took_its_place(area: str) -> None:
    result = judged("organisation_local", facts(organisation_area=area))
    assert result.passed is True
    assert result.facts == {"organisation_area": area, "district": RETIRED[area].successor.value}


@pytest.mark.clause("B-10")
@pytest.mark.parametrize("area", ["310000", "320500", "110101", "330102", "", "31011", "31o115"])
def test_an_area_outside_the_sixteen_is_not(area: str) -> None:
    result = judged("organisation_local", facts(organisation_area=area))
    assert (result.passed, result.facts["district"]) == (False, None)


@pytest.mark.clause("B-10")
@pytest.mark.parametrize(
    ("registered", "third"),
    [
        (date(2022, 1, 10), date(2025, 1, 10)),
        (date(2020, 2, 29), date(2023, 2, 28)),
        (date(2021, 2, 28), date(2024, 2, 28)),
        (date(2021, 12, 31), date(2024, 12, 31)),
    ],
)
def test_the_third_anniversary_itself_still_counts(registered: date, third: date) -> None:
    edges = ((registered - DAY, False), (registered, True), (third, True), (third + DAY, False))
    for issued, passed in edges:
        assert passes("organisation_age", organisation_registered_on=registered, certificate_issued_on=issued) is passed


@pytest.mark.clause("B-10")
@every(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.integers(-100, 1500))
def test_age_is_measured_on_the_day_of_issue_and_not_of_the_claim(registered: date, offset: int) -> None:
    issued = registered + offset * DAY
    expected = registered <= issued <= anniversary(registered, 3)
    for submitted in (issued, issued + 3000 * DAY):
        found = passes(
            "organisation_age",
            organisation_registered_on=registered,
            certificate_issued_on=issued,
            submitted_on=submitted,
        )
        assert found is expected


# -- the role --------------------------------------------------------------------------------------------------------


@pytest.mark.clause("B-10")
@pytest.mark.parametrize(
    ("role", "passed"),
    [
        (RoleHeld("legal_representative", ISSUED), True),
        (RoleHeld("responsible_person", ISSUED), True),
        (RoleHeld("partner", ISSUED, evidence="合伙协议"), True),
        (RoleHeld("partner", ISSUED), False),
        (RoleHeld("partner", ISSUED, evidence=""), False),
        (RoleHeld("employee", ISSUED), False),
        (RoleHeld("supervisor", ISSUED, evidence="章程"), False),
        (RoleHeld("legal_representative", ISSUED + DAY), False),
        (RoleHeld("legal_representative", ISSUED - 90 * DAY, ISSUED), True),
        (RoleHeld("legal_representative", ISSUED - 90 * DAY, ISSUED - DAY), False),
        (RoleHeld("legal_representative", ISSUED, ISSUED), True),
    ],
)
def test_a_founders_role_is_held_on_the_day_of_issue_and_a_partners_share_is_in_evidence(
    role: RoleHeld, passed: bool
) -> None:
    result = judged("role", facts(roles=(role,)))
    assert result.passed is passed
    assert result.facts == {"role": role.role if passed else None, "on": ISSUED.isoformat()}


@pytest.mark.clause("B-10")
def test_one_role_that_counts_is_enough() -> None:
    ended = RoleHeld("legal_representative", date(2023, 1, 1), date(2023, 12, 31))
    partner = RoleHeld("partner", date(2024, 1, 1), evidence="合伙协议")
    assert passes("role", roles=(ended, RoleHeld("employee", ISSUED), partner)) is True
    assert passes("role", roles=()) is False


@pytest.mark.clause("B-10")
def test_a_version_says_which_roles_count() -> None:
    version = policy(roles=("partner",))
    assert judged("role", facts(), version).passed is False


# -- how often -------------------------------------------------------------------------------------------------------


@pytest.mark.clause("B-13")
@pytest.mark.parametrize(("holder", "passed"), [(None, True), ("clm_0", False)])
def test_a_person_claims_once_for_a_project(holder: str | None, passed: bool) -> None:
    result = judged("once_per_project", facts(project_held_by=holder))
    assert (result.passed, result.facts) == (passed, {"held_by": holder})


@pytest.mark.clause("B-14")
@pytest.mark.parametrize(("held", "passed"), [(0, True), (1, True), (2, True), (3, False), (4, False)])
def test_a_person_has_three_subsidies_at_most(held: int, passed: bool) -> None:
    result = judged("limit", facts(places_held=held))
    assert (result.passed, result.facts) == (passed, {"held_before": held, "at_most": 3})


@pytest.mark.clause("B-14")
def test_a_version_says_how_many() -> None:
    assert judged("limit", facts(places_held=1), policy(places=1)).passed is False


# -- the payee -------------------------------------------------------------------------------------------------------


@pytest.mark.clause("B-19")
@pytest.mark.parametrize("answer", [None, True, False])
def test_the_account_is_the_claimants_or_it_is_still_asked(answer: bool | None) -> None:
    result = judged("payee", facts(payee_matches=answer))
    assert (result.passed, result.facts) == (answer, {"holder_is_claimant": answer})


# -- the whole -------------------------------------------------------------------------------------------------------


def test_the_same_facts_give_the_same_results_years_later() -> None:
    assert screen(POLICY, facts()) == screen(POLICY, facts())
    assert all(result.passed in (True, None) for result in screen(POLICY, facts()))


def test_one_fact_that_fails_leaves_the_other_rules_as_they_were() -> None:
    good = {result.rule: result for result in screen(POLICY, facts())}
    for result in screen(POLICY, facts(organisation_area="320500")):
        assert (result == good[result.rule]) == (result.rule != "organisation_local")
