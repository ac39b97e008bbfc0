"""The vocabulary of policies: closed and typed. What does not fit together is refused, with the place of each fault."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given as every
from hypothesis import strategies as st
from msgspec.structs import replace

from services.subsidy.domain.facts import Facts, RoleHeld
from services.subsidy.domain.policy import PROGRAMME, DraftPolicy, decide
from services.subsidy.domain.policy_version import (
    Absent,
    AllOf,
    AnyOf,
    AtLeast,
    AtMost,
    Attested,
    Check,
    EvidenceAsked,
    Example,
    HasCategory,
    HoldsRole,
    InCity,
    Is,
    OneOf,
    PayeeIsClaimant,
    PerUnit,
    PolicyVersion,
    Rule,
    Within,
    misfits,
)
from services.subsidy.domain.screening import amount_of, compiled, failed_examples, screen, verdict
from services.subsidy.policies import shipped
from shared.testing.spec import given
from tests.unit.subsidy.samples import POLICY, SHIPPED, TODAY, facts

MONTHS = EvidenceAsked("months", "count", "缴费月数")
ANSWERED = EvidenceAsked("answered", "flag", "是否已办理")
SIGNED = EvidenceAsked("signed_on", "date", "签约日期")
FIELD = EvidenceAsked("field", "choice", "行业", ("农业", "工业"))
OPEN = replace(POLICY, evidence=(MONTHS, ANSWERED, SIGNED, FIELD))
ALONE = ("once_per_project", "limit", "payee")


def asking(check: Check, version: PolicyVersion = OPEN) -> PolicyVersion:
    """A version that asks this, and the three things that every version asks."""
    kept = tuple(rule for rule in version.rules if rule.name in ALONE)
    return replace(version, rules=(Rule("asked", "A-17", "符合规定", check), *kept))


def passes(check: Check, **known: Any) -> bool | None:
    return screen(asking(check), facts(**known))[0].passed


def faults(version: PolicyVersion) -> set[tuple[str, str]]:
    return {(fault.code, fault.pointer) for fault in misfits(version)}


# -- what ships -------------------------------------------------------------------------------------------------------


@pytest.mark.clause("B-01")
@pytest.mark.clause("A-20")
@pytest.mark.parametrize("version", shipped(), ids=lambda version: f"{version.programme}-{version.version}")
def test_what_ships_fits_together_and_its_worked_examples_come_out(version: PolicyVersion) -> None:
    assert not list(misfits(version))
    assert not list(failed_examples(version))
    assert len(version.examples) > 0
    assert all(rule.clause and rule.text for rule in version.rules)


def test_what_ships_is_what_the_readings_say() -> None:
    by_name = {(version.programme, version.version): version for version in shipped()}
    successor = by_name["training-fee-subsidy", "2026-provisional"]
    assert successor.provisional
    assert "未经确认" in successor.source
    assert replace(successor.parameters) == SHIPPED.parameters
    assert successor.rules == SHIPPED.rules
    assert by_name["social-insurance-subsidy", "2025-unset"].parameters.amount is None


# -- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "known", "passed"),
    [
        (Is("certificate_stage", "start_up"), {}, True),
        (Is("certificate_stage", "growth"), {}, False),
        (Is("certificate_stage", "growth"), {"certificate_stage": None}, None),
        (Is("evidence.answered", True), {"evidence": {"answered": True}}, True),
        (Is("evidence.answered", True), {}, None),
        (OneOf("evidence.field", ("农业",)), {"evidence": {"field": "农业"}}, True),
        (OneOf("evidence.field", ("农业",)), {"evidence": {"field": "工业"}}, False),
        (Absent("certificate_revoked_on"), {}, True),
        (Absent("certificate_revoked_on"), {"certificate_revoked_on": TODAY}, False),
        (AtLeast("evidence.months", 3), {"evidence": {"months": 3}}, True),
        (AtLeast("evidence.months", 3), {"evidence": {"months": 2}}, False),
        (AtMost("evidence.months", "places"), {"evidence": {"months": 3}}, True),
        (AtMost("evidence.months", "places"), {"evidence": {"months": 4}}, False),
        (InCity("organisation_area"), {"organisation_area": "310230"}, True),
        (InCity("organisation_area"), {"organisation_area": "320500"}, False),
        (InCity("organisation_area"), {"organisation_area": None}, None),
        (HasCategory(("veteran",)), {"categories": ("student", "veteran")}, True),
        (HasCategory(("veteran",)), {"categories": ("student",)}, False),
        (Attested("months"), {"evidence": {"months": 3}}, None),
        (Attested("months"), {"evidence": {"months": 3}, "attested": {"months": True}}, True),
        (Attested("months"), {"evidence": {"months": 3}, "attested": {"months": False}}, False),
        (HoldsRole("roles", "certificate_issued_on"), {}, True),
        (HoldsRole(("partner",), "certificate_issued_on"), {}, False),
        (HoldsRole("roles", "evidence.signed_on"), {}, False),
        (AllOf((Is("certificate_stage", "start_up"), Attested("months"))), {}, None),
        (AllOf((Is("certificate_stage", "growth"), Attested("months"))), {}, False),
        (AnyOf((Is("certificate_stage", "start_up"), Attested("months"))), {}, True),
        (AnyOf((Is("certificate_stage", "growth"), Attested("months"))), {}, None),
        (AnyOf((Is("certificate_stage", "growth"), Is("certificate_kind", "x"))), {}, False),
    ],
)
def test_a_word_means_one_thing(check: Check, known: dict[str, Any], passed: bool | None) -> None:
    assert list(misfits(asking(check))) == []
    assert passes(check, **known) is passed


@pytest.mark.clause("B-15")
@pytest.mark.parametrize("unit", ["days", "months", "years"])
def test_a_period_counts_its_first_and_its_last_day(unit: Any) -> None:
    check = Within("submitted_on", "evidence.signed_on", 1, unit)
    first = date(2024, 2, 29)
    last = {"days": date(2024, 3, 1), "months": date(2024, 3, 29), "years": date(2025, 2, 28)}[unit]
    day = timedelta(days=1)
    asked = {submitted: passes(check, submitted_on=submitted, evidence={"signed_on": "2024-02-29"})
             for submitted in (first - day, first, last, last + day)}  # fmt: skip
    assert list(asked.values()) == [False, True, True, False]


def test_an_amount_by_the_unit_is_exact_and_stops_at_its_most() -> None:
    version = replace(
        OPEN, amount=PerUnit("months", 3), parameters=replace(POLICY.parameters, amount=Decimal("333.33"))
    )
    assert amount_of(version, facts(evidence={"months": 2})) == Decimal("666.66")
    assert amount_of(version, facts(evidence={"months": 9})) == Decimal("999.99")
    assert amount_of(version, facts()) is None


# -- what does not fit ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        (Is("colour", "red"), ("policy_fact", "/rules/0/check/fact")),
        (Is("evidence.colour", "red"), ("policy_fact", "/rules/0/check/fact")),
        (Is("certificate_stage", True), ("policy_type", "/rules/0/check/fact")),
        (OneOf("evidence.months", ("1",)), ("policy_type", "/rules/0/check/fact")),
        (AtMost("certificate_stage", 1), ("policy_type", "/rules/0/check/fact")),
        (AtMost("evidence.months", "roles"), ("policy_operand", "/rules/0/check/bound")),
        (AtMost("evidence.months", "luck"), ("policy_operand", "/rules/0/check/bound")),
        (AtLeast("evidence.months", -1), ("policy_operand", "/rules/0/check/bound")),
        (Within("certificate_stage", "submitted_on", 1, "days"), ("policy_type", "/rules/0/check/day")),
        (Within("submitted_on", "nothing", 1, "days"), ("policy_fact", "/rules/0/check/since")),
        (Within("submitted_on", "certificate_issued_on", "amount", "days"), ("policy_operand", "/rules/0/check/count")),
        (InCity("submitted_on"), ("policy_type", "/rules/0/check/area")),
        (HoldsRole("places", "submitted_on"), ("policy_operand", "/rules/0/check/roles")),
        (HasCategory("categories"), ("policy_operand", "/rules/0/check/categories")),
        (Attested("colour"), ("policy_fact", "/rules/0/check/evidence")),
        (AllOf(()), ("policy_rule_empty", "/rules/0/check/checks")),
        (AnyOf((PayeeIsClaimant(),)), ("policy_rule_alone", "/rules/0/check/checks/0")),
        (AllOf((Is("colour", "red"),)), ("policy_fact", "/rules/0/check/checks/0/fact")),
    ],
)
def test_a_word_in_the_wrong_place_is_named_with_its_place(check: Check, fault: tuple[str, str]) -> None:
    assert faults(asking(check)) == {fault}


def without(*names: str) -> PolicyVersion:
    return replace(OPEN, rules=tuple(rule for rule in OPEN.rules if rule.name not in names))


@pytest.mark.parametrize(
    ("version", "fault"),
    [
        (replace(OPEN, workflow=("review", "payment")), ("policy_workflow", "/workflow")),
        (replace(OPEN, workflow=("approval", "review", "payment")), ("policy_workflow", "/workflow")),
        (replace(OPEN, once_per=("colour",)), ("policy_fact", "/once_per/0")),
        (replace(OPEN, amount=PerUnit("answered", 3)), ("policy_type", "/amount/evidence")),
        (replace(OPEN, amount=PerUnit("months", "roles")), ("policy_operand", "/amount/at_most")),
        (replace(OPEN, owner="上海"), ("policy_owner", "/owner")),
        (replace(OPEN, evidence=(MONTHS, MONTHS)), ("policy_twice", "/evidence/1/name")),
        (
            replace(OPEN, evidence=(EvidenceAsked("field", "choice", "行业"),)),
            ("policy_choices", "/evidence/0/choices"),
        ),
        (replace(OPEN, rules=(OPEN.rules[0], *OPEN.rules)), ("policy_twice", "/rules/1/name")),
        (without("payee"), ("policy_rule_missing", "/rules")),
        (without("limit"), ("policy_rule_missing", "/rules")),
        (without("once_per_project"), ("policy_rule_missing", "/rules")),
    ],
)
def test_parts_that_do_not_fit_are_named_with_their_place(version: PolicyVersion, fault: tuple[str, str]) -> None:
    assert faults(version) == {fault}


def test_rules_about_what_a_claim_does_not_name_are_refused() -> None:
    bare = replace(asking(Is("certificate_stage", "start_up")), requires=(), once_per=())
    assert faults(bare) == {("policy_fact", "/rules/0/check/fact")}
    assert faults(replace(asking(HoldsRole("roles", "submitted_on")), requires=(), once_per=())) == {
        ("policy_fact", "/rules/0/check")
    }
    assert faults(replace(asking(Attested("months")), requires=())) == {("policy_fact", "/once_per/0")}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("rules", 0, "check", "op"), "astrology"),
        (("rules", 0, "check", "colour"), "red"),
        (("parameters", "bonus"), 1),
        (("amount", "op"), "whatever_it_takes"),
        (("workflow", 0), "prayer"),
        (("requires", 0), "luck"),
        (("programme",), "../../etc"),
        (("rules", 0, "name"), "Ünïcode"),
    ],
)
def test_a_word_that_is_not_in_the_vocabulary_does_not_load(path: tuple[Any, ...], value: Any) -> None:
    document: Any = msgspec.json.decode(msgspec.json.encode(POLICY))
    inside = document
    for part in path[:-1]:
        inside = inside[part]
    inside[path[-1]] = value
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, PolicyVersion)


# -- examples ---------------------------------------------------------------------------------------------------------


def test_an_example_that_does_not_come_out_keeps_the_version_from_being_drafted() -> None:
    wrong = (
        Example("过期", facts(submitted_on=date(2030, 1, 1)), {"window": True}),
        Example("没有的规则", facts(), {"astrology": True}),
        Example("金额", facts(), {}, Decimal("1.00")),
    )
    refused = given(PROGRAMME).when(decide, DraftPolicy(replace(POLICY, examples=wrong), "usr_1"))
    rejection = refused.then_rejected("invalid_policy", 422)
    assert [fault.pointer for fault in rejection.fields] == [
        "/examples/0/expect/window",
        "/examples/1/expect/astrology",
        "/examples/2/amount",
    ]
    assert "应为 True，实为 False" in rejection.fields[0].detail


# -- laws -------------------------------------------------------------------------------------------------------------

DAYS = st.dates(date(2022, 1, 1), date(2027, 12, 31))
ANY_FACTS = st.builds(
    Facts,
    submitted_on=DAYS,
    certificate_kind=st.sampled_from(["qualification", "completion", None]),
    certificate_stage=st.sampled_from(["start_up", "growth", None]),
    certificate_issued_on=DAYS | st.none(),
    certificate_revoked_on=DAYS | st.none(),
    certificate_is_claimants=st.booleans() | st.none(),
    organisation_area=st.sampled_from(["310115", "320500", "310230", None]),
    organisation_registered_on=DAYS | st.none(),
    roles=st.lists(st.builds(RoleHeld, st.sampled_from(["partner", "responsible_person"]), DAYS), max_size=2).map(
        tuple
    ),
    places_held=st.integers(0, 5),
    payee_matches=st.booleans() | st.none(),
)


@pytest.mark.clause("B-01")
@every(ANY_FACTS)
def test_a_judgement_is_the_same_whenever_it_is_made(given_facts: Facts) -> None:
    """Years later, from the version and the facts as they were stored."""
    stored = msgspec.json.decode(msgspec.json.encode(given_facts), type=Facts)
    version = msgspec.json.decode(msgspec.json.encode(SHIPPED), type=PolicyVersion)
    assert screen(version, stored) == screen(SHIPPED, given_facts)


@every(ANY_FACTS)
def test_the_quick_verdict_is_that_of_the_rules(given_facts: Facts) -> None:
    passed = {result.passed for result in screen(POLICY, given_facts)}
    expected = False if False in passed else None if None in passed else True
    assert verdict(compiled(POLICY), given_facts) is expected
