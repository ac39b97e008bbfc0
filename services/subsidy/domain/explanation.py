"""Explanation: what each rule of a version saw in a claim, from where, and a sentence that a claimant understands.

A function of the version and the facts alone: told again years later, it says the same.   (个人信息保护法 art. 24)
"""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import msgspec

from services.subsidy.domain.facts import FACTS, LOOKED_AT, Facts, FactValue, Source
from services.subsidy.domain.policy_version import (
    Absent,
    AllOf,
    AnyOf,
    AtLeast,
    AtMost,
    Attested,
    Check,
    EntitlementFree,
    HasCategory,
    HoldsRole,
    InCity,
    Is,
    OneOf,
    PayeeIsClaimant,
    PlaceFree,
    PolicyVersion,
    Within,
    Word,
)
from services.subsidy.domain.screening import LAST_DAY, compiled, fact_in, judge_of, names_in, number_in
from shared.values.categories import IdentityCategory
from shared.values.districts import RETIRED, district_of_area


class ExplainedFact(msgspec.Struct, frozen=True):
    """A fact as a rule saw it, with its Chinese name and, as `words`, what it says in Chinese.

    `source` is who told it; `told_by` the event that did, as `stream@version`, null for what the claim itself holds.
    """

    name: str
    label: str
    value: FactValue | tuple[str, ...]
    words: str
    source: Source
    told_by: str | None


class ExplainedRule(msgspec.Struct, frozen=True):
    """A rule, its clause and wording, what came of it, the facts it saw, and a sentence for the claimant, zh-CN.

    `passed` is null while a fact is still being asked for.
    """

    rule: str
    clause: str
    text: str
    passed: bool | None
    sentence: str
    facts: tuple[ExplainedFact, ...]


def explained(policy: PolicyVersion, facts: Facts) -> tuple[ExplainedRule, ...]:
    """Every rule of the version, in its order."""
    judged = zip(policy.rules, compiled(policy).asked, strict=True)
    return tuple(
        ExplainedRule(
            rule.name,
            rule.clause,
            rule.text,
            passed(facts),
            sentence(policy, rule.check, facts) + "。",
            tuple(_seen(policy, name, facts) for name in dict.fromkeys(_names(rule.check))),
        )
        for rule, passed in judged
    )


def sentence(policy: PolicyVersion, check: Check, facts: Facts) -> str:
    """What a check found, without the full stop."""
    return _SENTENCES[type(check)](policy, check, facts)


# -- the facts that a check looks at ----------------------------------------------------------------------------------


def _names(check: Check) -> Iterator[str]:
    match check:
        case AllOf(checks) | AnyOf(checks):
            for part in checks:
                yield from _names(part)
        case Is(fact) | OneOf(fact) | Absent(fact) | AtMost(fact) | AtLeast(fact):
            yield fact
        case Within(day, since):
            yield from (day, since)
        case InCity(area):
            yield area
        case HoldsRole(_, on):
            yield from ("roles", on)
        case Attested(evidence):
            yield f"evidence.{evidence}"
        case HasCategory():
            yield "categories"
        case EntitlementFree():
            yield "project_held_by"
        case PlaceFree():
            yield "places_held"
        case PayeeIsClaimant():
            yield "payee_matches"


def _seen(policy: PolicyVersion, name: str, facts: Facts) -> ExplainedFact:
    known = FACTS.get(name) or LOOKED_AT.get(name)
    source: Source = "claim" if known is None else known.source
    value = fact_in(policy, name)(facts)
    plain = _plain(value)
    return ExplainedFact(name, label(policy, name), plain, _worded(plain), source, facts.sources.get(source))


def label(policy: PolicyVersion, name: str) -> str:
    """The Chinese name of a fact; that of evidence is how the version asks for it."""
    known = FACTS.get(name) or LOOKED_AT.get(name)
    if known is not None:
        return known.zh
    piece = name.removeprefix("evidence.")
    return next((item.text for item in policy.evidence if item.name == piece), piece)


def _plain(value: Any) -> FactValue | tuple[str, ...]:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return tuple(item if isinstance(item, str) else item.role for item in value)
    return value  # type: ignore[no-any-return]


# -- values in Chinese ------------------------------------------------------------------------------------------------

_ROLES = {"legal_representative": "法定代表人", "responsible_person": "负责人", "partner": "持股合伙人"}
_VALUES = {
    "qualification": "合格证书",
    "completion": "结业证书",
    "awareness": "意识激发期",
    "preparation": "准备期",
    "start_up": "初创期",
    "growth": "发展期",
}
_CATEGORIES = {category.value: category.zh for category in IdentityCategory}
_UNITS = {"days": "日", "months": "个月", "years": "年"}


def _worded(value: FactValue | tuple[str, ...]) -> str:
    match value:
        case None | ():
            return "无"
        case tuple():
            return _listed(value, _ROLES | _CATEGORIES)
        case _:
            return _said(value)


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    return _VALUES.get(value, value) if isinstance(value, str) else str(value)


def _listed(names: Iterator[str] | tuple[str, ...], words: dict[str, str]) -> str:
    return "、".join(words.get(name, name) for name in names)


# -- a sentence for each word of the vocabulary -----------------------------------------------------------------------


def _pending(policy: PolicyVersion, name: str) -> str:
    return f"{label(policy, name)}尚待核实"


def _is(policy: PolicyVersion, check: Is, facts: Facts) -> str:
    return _compared(policy, check.fact, facts, lambda value: bool(value == check.value), _said(check.value))


def _one_of(policy: PolicyVersion, check: OneOf, facts: Facts) -> str:
    wanted = "、".join(map(_said, check.values))
    return _compared(policy, check.fact, facts, lambda value: value in check.values, f"{wanted}之一")


def _compared(policy: PolicyVersion, name: str, facts: Facts, fits: Callable[[Any], bool], wanted: str) -> str:
    value, what = fact_in(policy, name)(facts), label(policy, name)
    if value is None:
        return _pending(policy, name)
    return f"{what}：{_said(value)}" + ("，符合要求" if fits(value) else f"，要求是{wanted}")


def _absent(policy: PolicyVersion, check: Absent, facts: Facts) -> str:
    value, what = fact_in(policy, check.fact)(facts), label(policy, check.fact)
    return f"没有登记{what}" if value is None else f"已登记{what}：{_said(value)}"


def _within(policy: PolicyVersion, check: Within, facts: Facts) -> str:
    day, since = fact_in(policy, check.day)(facts), fact_in(policy, check.since)(facts)
    for value, name in ((since, check.since), (day, check.day)):
        if value is None:
            return _pending(policy, name)
    count = number_in(policy, check.count)
    last = LAST_DAY[check.unit](since, count)
    asked, begins = f"{label(policy, check.day)} {day}", f"{label(policy, check.since)} {since}"
    if day < since:
        return f"{asked}，早于{begins}"
    inside = "在" if day <= last else "不在"
    return f"{asked}，{inside}{begins} 起 {count} {_UNITS[check.unit]}内（最后一日 {last}）"


def _at_most(policy: PolicyVersion, check: AtMost, facts: Facts) -> str:
    bound = number_in(policy, check.bound)
    return _bounded(policy, check.fact, facts, lambda value: bool(value <= bound), f"最多 {bound}")


def _at_least(policy: PolicyVersion, check: AtLeast, facts: Facts) -> str:
    bound = number_in(policy, check.bound)
    return _bounded(policy, check.fact, facts, lambda value: bool(value >= bound), f"至少 {bound}")


def _bounded(policy: PolicyVersion, name: str, facts: Facts, fits: Callable[[Any], bool], wanted: str) -> str:
    value = fact_in(policy, name)(facts)
    if value is None:
        return _pending(policy, name)
    return f"{label(policy, name)} {value}，要求{wanted}，" + ("符合" if fits(value) else "不符合")


def _in_city(policy: PolicyVersion, check: InCity, facts: Facts) -> str:
    code, what = fact_in(policy, check.area)(facts), label(policy, check.area)
    if code is None:
        return _pending(policy, check.area)
    district = district_of_area(code)
    if district is None:
        return f"{what} {code}，不属于本市十六个区"
    was = RETIRED.get(code)
    return f"{what} {code}（{district.zh if was is None else f'原{was.zh}，现{district.zh}'}），属于本市"


def _holds_role(policy: PolicyVersion, check: HoldsRole, facts: Facts) -> str:
    day = fact_in(policy, check.on)(facts)
    if day is None:
        return _pending(policy, check.on)
    wanted = names_in(policy, check.roles)
    held = judge_of(policy, check).seen(facts)["role"]
    if isinstance(held, str):
        return f"{label(policy, check.on)} {day}，在创业组织中为{_ROLES.get(held, held)}"
    listed = _listed(tuple(role for role in _ROLES if role in wanted), _ROLES)
    evidenced = _listed(tuple(role for role in check.evidenced if role in wanted), _ROLES)
    proof = f"（{evidenced}须有出资凭证）" if evidenced else ""
    return f"{label(policy, check.on)} {day}，未查到在创业组织中为{listed}{proof}"


def _has_category(policy: PolicyVersion, check: HasCategory, facts: Facts) -> str:
    found = judge_of(policy, check).seen(facts)["category"]
    if isinstance(found, str):
        return f"登记的身份类别：{_CATEGORIES.get(found, found)}，符合要求"
    return f"登记的身份类别中没有{_listed(tuple(sorted(names_in(policy, check.categories))), _CATEGORIES)}"


def _attested(policy: PolicyVersion, check: Attested, facts: Facts) -> str:
    what, stated = label(policy, f"evidence.{check.evidence}"), facts.evidence.get(check.evidence)
    told = f"{what}：申报为{'（未申报）' if stated is None else _said(stated)}"
    outcome = {None: "尚待审核人核验", True: "审核人已核验属实", False: "审核人核验后未予确认"}
    return f"{told}，{outcome[facts.attested.get(check.evidence)]}"


def _entitlement_free(policy: PolicyVersion, check: EntitlementFree, facts: Facts) -> str:
    held = facts.project_held_by
    return "同一项目没有其他申请" if held is None else f"同一项目已有申请 {held}"


def _place_free(policy: PolicyVersion, check: PlaceFree, facts: Facts) -> str:
    most, held = policy.parameters.places, facts.places_held
    return f"此前已享受和在办 {held} 次，最多 {most} 次，" + ("尚有名额" if held < most else "已无名额")


def _payee_is_claimant(policy: PolicyVersion, check: PayeeIsClaimant, facts: Facts) -> str:
    outcome = {None: "尚待核对", True: "是申请人本人", False: "不是申请人本人，请更正收款账户"}
    return f"收款账户的户名经登记信息核对，{outcome[facts.payee_matches]}"


def _all_of(policy: PolicyVersion, check: AllOf, facts: Facts) -> str:
    return "；".join(sentence(policy, part, facts) for part in check.checks)


def _any_of(policy: PolicyVersion, check: AnyOf, facts: Facts) -> str:
    return "以下至少一项：" + "；".join(sentence(policy, part, facts) for part in check.checks)


_SENTENCES: dict[type[Word], Callable[[PolicyVersion, Any, Facts], str]] = {
    Is: _is,
    OneOf: _one_of,
    Absent: _absent,
    Within: _within,
    AtMost: _at_most,
    AtLeast: _at_least,
    InCity: _in_city,
    HoldsRole: _holds_role,
    HasCategory: _has_category,
    Attested: _attested,
    EntitlementFree: _entitlement_free,
    PlaceFree: _place_free,
    PayeeIsClaimant: _payee_is_claimant,
    AllOf: _all_of,
    AnyOf: _any_of,
}
