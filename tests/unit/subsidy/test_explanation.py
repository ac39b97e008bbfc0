"""What each rule saw, said so that a claimant understands it; and judged again, it comes out the same."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given as every
from hypothesis import strategies as st

from services.subsidy.api.screenings import latest, reproduced, shown
from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_decisions import screened
from services.subsidy.domain.explanation import ExplainedRule, explained
from services.subsidy.domain.facts import FACTS, Facts, RoleHeld
from services.subsidy.domain.policy_version import (
    Absent,
    AllOf,
    AnyOf,
    AtLeast,
    AtMost,
    Attested,
    Check,
    EvidenceAsked,
    HasCategory,
    HoldsRole,
    InCity,
    Is,
    OneOf,
    PolicyVersion,
    Rule,
    Within,
    misfits,
)
from services.subsidy.domain.screening import amount_of, screen, verdict
from services.subsidy.domain.screening import compiled as compile_version
from tests.unit.subsidy.samples import (
    ATTESTED,
    CHECKED,
    CLAIM_ID,
    PASTS,
    POLICIES,
    POLICY,
    SCREENED,
    SUBMITTED,
    TODAY,
    facts,
    policy,
    rescreened,
    without,
)

SOURCES = {"certificate": "crt_1@1", "organisation": "org_1@3", "person": "per_1@2"}
ASKED = (
    EvidenceAsked("months", "count", "本季度缴费月数"),
    EvidenceAsked("flexible", "flag", "是否已办理灵活就业登记"),
    EvidenceAsked("quarter_end", "date", "缴费季度的最后一日"),
    EvidenceAsked("branch", "choice", "行业", ("餐饮", "零售")),
)


def rule(name: str, known: Facts, version: PolicyVersion = POLICY) -> ExplainedRule:
    [found] = [item for item in explained(version, known) if item.rule == name]
    return found


def asking(check: Check, **parameters: Any) -> PolicyVersion:
    """The policy with one more rule and evidence of every kind."""
    changed = msgspec.structs.replace(policy(**parameters), evidence=ASKED)
    return msgspec.structs.replace(changed, rules=(*changed.rules, Rule("asked", "A-20", "要求", check)))


def said(check: Check, known: Facts, **parameters: Any) -> str:
    return rule("asked", known, asking(check, **parameters)).sentence


@pytest.mark.clause("B-15")
def test_the_window_is_told_with_its_days() -> None:
    known = facts(sources=SOURCES)
    told = rule("window", known)
    assert told.sentence == "申请日期 2025-03-03，在证书颁发日期 2025-01-10 起 12 个月内（最后一日 2026-01-10）。"
    assert (told.clause, told.text, told.passed) == ("B-15", "自证书颁发之日起12个月内申请", True)
    assert [(fact.label, fact.value, fact.source, fact.told_by) for fact in told.facts] == [
        ("申请日期", "2025-03-03", "claim", None),
        ("证书颁发日期", "2025-01-10", "certificate", "crt_1@1"),
    ]
    late = rule("window", facts(submitted_on=date(2026, 1, 11)))
    assert late.sentence == "申请日期 2026-01-11，不在证书颁发日期 2025-01-10 起 12 个月内（最后一日 2026-01-10）。"
    assert rule("window", facts(certificate_issued_on=None)).sentence == "证书颁发日期尚待核实。"
    early = rule("window", facts(certificate_issued_on=date(2025, 4, 1)))
    assert early.sentence == "申请日期 2025-03-03，早于证书颁发日期 2025-04-01。"


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("organisation_local", {}, "组织登记地 310115（浦东新区），属于本市。"),
        ("organisation_local", {"organisation_area": "310103"}, "组织登记地 310103（原卢湾区，现黄浦区），属于本市。"),
        ("organisation_local", {"organisation_area": "320500"}, "组织登记地 320500，不属于本市十六个区。"),
        ("organisation_local", {"organisation_area": None}, "组织登记地尚待核实。"),
        ("role", {}, "证书颁发日期 2025-01-10，在创业组织中为法定代表人。"),
        (
            "role",
            {"roles": (RoleHeld("partner", date(2023, 6, 1)),)},
            "证书颁发日期 2025-01-10，未查到在创业组织中为法定代表人、负责人、持股合伙人（持股合伙人须有出资凭证）。",
        ),
        ("once_per_project", {}, "同一项目没有其他申请。"),
        ("once_per_project", {"project_held_by": "clm_2"}, "同一项目已有申请 clm_2。"),
        ("limit", {"places_held": 2}, "此前已享受和在办 2 次，最多 3 次，尚有名额。"),
        ("limit", {"places_held": 3}, "此前已享受和在办 3 次，最多 3 次，已无名额。"),
        ("payee", {}, "收款账户的户名经登记信息核对，尚待核对。"),
        ("payee", {"payee_matches": False}, "收款账户的户名经登记信息核对，不是申请人本人，请更正收款账户。"),
    ],
)
def test_each_rule_is_told_in_a_sentence(name: str, changes: dict[str, Any], sentence: str) -> None:
    assert rule(name, facts(**changes)).sentence == sentence


def test_a_certificate_is_told_part_by_part() -> None:
    told = rule("certificate", facts(certificate_stage="growth", certificate_revoked_on=date(2025, 2, 1)))
    assert told.sentence == (
        "证书种类：合格证书，符合要求；培训阶段：发展期，要求是初创期；"
        "已登记证书撤销日期：2025-02-01；证书为本人所有：是，符合要求。"
    )
    assert [fact.name for fact in told.facts] == [
        "certificate_kind", "certificate_stage", "certificate_revoked_on", "certificate_is_claimants"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "changes", "sentence"),
    [
        (AtLeast("evidence.months", 1), {"evidence": {"months": 3}}, "本季度缴费月数 3，要求至少 1，符合。"),
        (AtMost("evidence.months", 2), {"evidence": {"months": 3}}, "本季度缴费月数 3，要求最多 2，不符合。"),
        (Attested("months"), {"evidence": {"months": 3}}, "本季度缴费月数：申报为3，尚待审核人核验。"),
        (
            Attested("months"),
            {"evidence": {"months": 3}, "attested": {"months": True}},
            "本季度缴费月数：申报为3，审核人已核验属实。",
        ),
        (OneOf("evidence.branch", ("餐饮",)), {"evidence": {"branch": "零售"}}, "行业：零售，要求是餐饮之一。"),
        (HasCategory(("veteran",)), {"categories": ("veteran",)}, "登记的身份类别：退役军人，符合要求。"),
        (HasCategory(("veteran",)), {}, "登记的身份类别中没有退役军人。"),
        (
            AnyOf((Is("evidence.flexible", True), HasCategory(("veteran",)))),
            {"evidence": {"flexible": False}},
            "以下至少一项：是否已办理灵活就业登记：否，要求是是；登记的身份类别中没有退役军人。",
        ),
    ],
)
def test_evidence_is_told_in_the_words_that_asked_for_it(check: Check, changes: dict[str, Any], sentence: str) -> None:
    assert said(check, facts(**changes)) == sentence


# -- whatever the version, whatever the facts -------------------------------------------------------------------------

DATES = ["submitted_on", "certificate_issued_on", "certificate_revoked_on", "organisation_registered_on"]
DATES += ["evidence.quarter_end"]
TEXTS = ["certificate_kind", "certificate_stage", "organisation_area", "evidence.branch"]
roles = st.sampled_from([("legal_representative",), ("partner", "responsible_person"), "roles"])
counts = st.integers(0, 10**9)
simple: st.SearchStrategy[Check] = st.one_of(
    st.builds(Is, st.sampled_from(TEXTS), st.sampled_from(["餐饮", "qualification"])),
    st.builds(Is, st.sampled_from(["evidence.flexible", "certificate_is_claimants"]), st.booleans()),
    st.builds(OneOf, st.sampled_from(TEXTS), st.just(("零售", "310115"))),
    st.builds(Absent, st.sampled_from([*FACTS, "evidence.months"])),
    st.builds(
        Within,
        st.sampled_from(DATES),
        st.sampled_from(DATES),
        counts | st.just("window_months"),
        st.sampled_from(["days", "months", "years"]),
    ),
    st.builds(AtMost, st.just("evidence.months"), counts),
    st.builds(AtLeast, st.just("evidence.months"), counts | st.just("places")),
    st.builds(InCity, st.sampled_from(["organisation_area", "evidence.branch"])),
    st.builds(HoldsRole, roles, st.sampled_from(DATES), st.sampled_from([(), ("partner",)])),
    st.builds(HasCategory, st.sampled_from([("veteran", "student"), "roles"])),
    st.builds(Attested, st.sampled_from(["months", "flexible", "branch", "quarter_end"])),
)
checks = st.recursive(
    simple,
    lambda inner: (
        st.builds(AllOf, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=6,
)
days = st.none() | st.dates()
texts = st.none() | st.sampled_from(["qualification", "growth", "310115", "320500", "310103", "x"])
values = st.booleans() | st.integers(-5, 10**7) | st.sampled_from(["餐饮", "2025-03-31", "2025-13-01", "7"])
any_facts = st.builds(
    Facts,
    submitted_on=st.dates(),
    certificate_kind=texts,
    certificate_stage=texts,
    certificate_issued_on=days,
    certificate_revoked_on=days,
    certificate_is_claimants=st.none() | st.booleans(),
    organisation_area=texts,
    organisation_registered_on=days,
    roles=st.lists(
        st.builds(
            RoleHeld,
            st.sampled_from(["legal_representative", "partner", "clerk"]),
            st.dates(),
            days,
            st.sampled_from([None, "", "合伙协议"]),
        ),
        max_size=2,
    ).map(tuple),
    places_held=st.integers(0, 5),
    project_held_by=st.sampled_from([None, "clm_2"]),
    payee_matches=st.none() | st.booleans(),
    categories=st.sampled_from([(), ("veteran",), ("unheard_of",)]),
    evidence=st.dictionaries(st.sampled_from(["months", "flexible", "quarter_end", "branch"]), values),
    attested=st.dictionaries(st.sampled_from(["months", "flexible"]), st.booleans()),
    sources=st.sampled_from([{}, SOURCES]),
)


@every(checks, any_facts)
def test_every_rule_of_any_version_is_explained_for_any_facts(check: Check, known: Facts) -> None:
    version = asking(check)
    assert not list(misfits(version))
    results = screen(version, known)
    told = explained(version, known)
    assert [(item.rule, item.passed) for item in told] == [(item.rule, item.passed) for item in results]
    assert all(item.sentence.endswith("。") and item.facts for item in told)
    verdicts = [item.passed for item in results]
    assert verdict(compile_version(version), known) is (
        False if False in verdicts else None if None in verdicts else True
    )
    msgspec.json.encode(told)


@every(checks, any_facts)
def test_a_judgement_replayed_gives_the_same_answer(check: Check, known: Facts) -> None:
    version = asking(check)
    judged = screened(version, known, TODAY)
    stored = msgspec.json.decode(msgspec.json.encode(judged), type=type(judged))
    assert reproduced(stored, version)


def test_a_judgement_that_does_not_come_out_again_is_told() -> None:
    assert reproduced(SCREENED, POLICY)
    for other in (policy(window_months=1), policy(amount=None), without("limit")):
        assert not reproduced(SCREENED, other)


@pytest.mark.parametrize("path", sorted(POLICIES.glob("*.json")), ids=lambda path: path.stem)
def test_the_examples_of_every_shipped_version_are_explained(path: Any) -> None:
    version = msgspec.json.decode(path.read_bytes(), type=PolicyVersion)
    for example in version.examples:
        told = {item.rule: item for item in explained(version, example.facts)}
        assert {rule: told[rule].passed for rule in example.expect} == example.expect
    assert amount_of(version, facts()) in (version.parameters.amount, None)


# -- a claim's screening as it stands ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", sorted(PASTS))
def test_a_claims_screening_is_shown_with_what_was_answered_since(state: str) -> None:
    past = PASTS[state]
    found = shown(CLAIM_ID, CLAIM.fold(past), latest(past), POLICY)
    assert (found.policy_version, found.reproduced, len(found.rules)) == ("2023-7", True, len(POLICY.rules))
    [payee] = [item for item in found.rules if item.rule == "payee"]
    assert payee.passed is True


def test_a_claim_that_no_version_has_judged_has_no_rules_to_show() -> None:
    found = shown(CLAIM_ID, CLAIM.fold([SUBMITTED, CHECKED]), latest([SUBMITTED, CHECKED]), None)
    assert (found.policy_version, found.reproduced, found.rules) == (None, None, ())


def test_the_latest_screening_is_the_one_that_stands() -> None:
    newer = policy("newer", places=1)
    again = rescreened(newer, facts(places_held=1))
    past = (SUBMITTED, SCREENED, again, ATTESTED)
    assert latest(past) is again
    found = shown(CLAIM_ID, CLAIM.fold(past), latest(past), newer)
    assert {item.rule: item.passed for item in found.rules}["limit"] is False
    assert found.reproduced is True


def test_days_at_the_ends_of_the_calendar_are_told() -> None:
    edge = facts(certificate_issued_on=date.max - timedelta(days=1), submitted_on=date.max)
    assert rule("window", edge).passed is True


@pytest.mark.clause("B-10")
def test_each_fact_is_told_in_chinese_beside_its_value() -> None:
    told = {seen.label: (seen.value, seen.words) for rule in explained(POLICY, facts()) for seen in rule.facts}
    assert told["培训阶段"] == ("start_up", "初创期")
    assert told["证书撤销日期"] == (None, "无")
    assert told["证书为本人所有"] == (True, "是")
    assert not [words for _, words in told.values() if words.isascii() and not words.replace("-", "").isdigit()]
