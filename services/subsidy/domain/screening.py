"""Screening: every rule of a policy version against the facts of a claim, each with its clause and what it saw.

Rules pre-screen; they approve nothing and reject nothing on their own (个人信息保护法 art. 24). A version is turned
into functions once (`compiled`), so that judging every claim there ever was takes seconds.
"""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, NamedTuple

import msgspec

from services.subsidy.domain.facts import FactKind, Facts, FactValue
from services.subsidy.domain.policy_version import (
    Absent,
    AllOf,
    AnyOf,
    AtLeast,
    AtMost,
    Attested,
    Check,
    EntitlementFree,
    Fixed,
    HasCategory,
    HoldsRole,
    InCity,
    Is,
    OneOf,
    PayeeIsClaimant,
    PerUnit,
    PlaceFree,
    PolicyVersion,
    Within,
    Word,
    kind_of,
    parameter,
)
from shared.eventstore.decider import FieldError
from shared.values.calendar import add_months, anniversary
from shared.values.districts import district_of_area
from shared.values.encoded import encodes


class RuleResult(msgspec.Struct, frozen=True):
    """`passed` is None while a fact is still being asked for."""

    rule: str
    clause: str
    text: str
    passed: bool | None
    facts: dict[str, FactValue]


Results = Annotated[msgspec.Raw, encodes(tuple[RuleResult, ...])]
"""The results of all rules, in the version's order, as they were written."""

_results = msgspec.json.Decoder(tuple[RuleResult, ...])


def results_of(written: Results) -> tuple[RuleResult, ...]:
    return _results.decode(written)


Verdict = bool | None
Seen = dict[str, FactValue]


class Judge(NamedTuple):
    """A check as functions of the facts: whether it is passed, and what it looked at."""

    passed: Callable[[Facts], Verdict]
    seen: Callable[[Facts], Seen]


class JudgedRule(NamedTuple):
    name: str
    clause: str
    text: str
    judge: Judge


class Compiled(NamedTuple):
    """A version as functions, `asked` being those that decide, of all rules.

    `amount`: what a claim with these facts would be paid, CNY; None while not set.
    """

    policy: PolicyVersion
    rules: tuple[JudgedRule, ...]
    asked: tuple[Callable[[Facts], Verdict], ...]
    amount: Callable[[Facts], Decimal | None]


def screen(policy: PolicyVersion, facts: Facts) -> tuple[RuleResult, ...]:
    """The results of all rules of `policy`, in its order. Pure: the same version and facts give the same results."""
    return tuple(
        RuleResult(rule.name, rule.clause, rule.text, rule.judge.passed(facts), rule.judge.seen(facts))
        for rule in compiled(policy).rules
    )


def verdict(policy: Compiled, facts: Facts) -> Verdict:
    """Whether all rules are passed; None while one of them is undecided and none failed. Explains nothing."""
    return _all_passed(policy.asked, facts)


def _all_passed(asked: tuple[Callable[[Facts], Verdict], ...], facts: Facts) -> Verdict:
    """False for the first that is, else None where one is undecided."""
    together: Verdict = True
    for passed in asked:
        found = passed(facts)
        if found is False:
            return False
        if found is None:
            together = None
    return together


def amount_of(policy: PolicyVersion, facts: Facts) -> Decimal | None:
    """The subsidy in CNY; None while the operator has not set it.   (B-11)"""
    return compiled(policy).amount(facts)


def failed_examples(policy: PolicyVersion) -> Iterator[FieldError]:
    """The worked examples of a version that do not come out as the file says."""
    for number, example in enumerate(policy.examples):
        results = {result.rule: result.passed for result in screen(policy, example.facts)}
        for rule, expected in example.expect.items():
            if rule not in results or results[rule] is not expected:
                got = results.get(rule, "没有这条规则")
                detail = f"算例“{example.name}”：规则 {rule} 应为 {expected}，实为 {got}"
                yield FieldError(f"/examples/{number}/expect/{rule}", "policy_example", detail)
        amount = amount_of(policy, example.facts)
        if example.amount is not None and amount != example.amount:
            detail = f"算例“{example.name}”：金额应为 {example.amount}，实为 {amount}"
            yield FieldError(f"/examples/{number}/amount", "policy_example", detail)


# -- a version as functions -------------------------------------------------------------------------------------------

_MOST_COMPILED = 64
_compiled: dict[int, Compiled] = {}


def compiled(policy: PolicyVersion) -> Compiled:
    """The version as functions; made once for each version object, which lives as long as they do."""
    known = _compiled.get(id(policy))
    if known is None:
        if len(_compiled) >= _MOST_COMPILED:
            _compiled.clear()
        rules = tuple(
            JudgedRule(rule.name, rule.clause, rule.text, judge_of(policy, rule.check)) for rule in policy.rules
        )
        known = _compiled[id(policy)] = Compiled(
            policy, rules, tuple(rule.judge.passed for rule in rules), _amount(policy)
        )
    return known


def judge_of(policy: PolicyVersion, check: Check) -> Judge:
    """One check of a version as functions."""
    return _JUDGES[type(check)](policy, check)


def _amount(policy: PolicyVersion) -> Callable[[Facts], Decimal | None]:
    amount = policy.parameters.amount
    match policy.amount:
        case Fixed():
            return lambda facts: amount
        case PerUnit(evidence, at_most):
            most, counted = number_in(policy, at_most), fact_in(policy, f"evidence.{evidence}")

            def per_unit(facts: Facts) -> Decimal | None:
                units = counted(facts)
                return None if amount is None or units is None else amount * min(units, most)

            return per_unit


def fact_in(policy: PolicyVersion, name: str) -> Callable[[Facts], Any]:
    """The fact's value, a date as a date. Evidence that another version asked for differently is not known here."""
    if not name.startswith("evidence."):
        return attrgetter(name)
    piece, as_typed = name.removeprefix("evidence."), _AS_TYPED[kind_of(policy, name) or "text"]
    return lambda facts: as_typed(facts.evidence.get(piece))


def _day(stated: object) -> date | None:
    try:
        return date.fromisoformat(stated) if isinstance(stated, str) else None
    except ValueError:
        return None


_AS_TYPED: dict[FactKind, Callable[[object], Any]] = {
    "date": _day,
    "text": lambda stated: stated if isinstance(stated, str) else None,
    "flag": lambda stated: stated if isinstance(stated, bool) else None,
    "count": lambda stated: stated if isinstance(stated, int) and not isinstance(stated, bool) else None,
}


def number_in(policy: PolicyVersion, operand: int | str) -> int:
    value = parameter(policy, operand) if isinstance(operand, str) else operand
    assert isinstance(value, int)
    return value


def names_in(policy: PolicyVersion, operand: tuple[str, ...] | str) -> frozenset[str]:
    value = parameter(policy, operand) if isinstance(operand, str) else operand
    assert isinstance(value, tuple)
    return frozenset(value)


def _shown(value: Any) -> FactValue:
    return value.isoformat() if isinstance(value, date) else value


def _of_fact(policy: PolicyVersion, name: str, holds: Callable[[Any], bool], *, bound: int | None = None) -> Judge:
    """A check of one fact; undecided while the fact is not known."""
    fact = fact_in(policy, name)
    label = name.removeprefix("evidence.")

    def passed(facts: Facts) -> Verdict:
        value = fact(facts)
        return None if value is None else holds(value)

    def seen(facts: Facts) -> Seen:
        return {label: _shown(fact(facts))} | ({} if bound is None else {"bound": bound})

    return Judge(passed, seen)


def _is(policy: PolicyVersion, check: Is) -> Judge:
    return _of_fact(policy, check.fact, lambda value: bool(value == check.value))


def _one_of(policy: PolicyVersion, check: OneOf) -> Judge:
    return _of_fact(policy, check.fact, lambda value: value in check.values)


def _at_most(policy: PolicyVersion, check: AtMost) -> Judge:
    bound = number_in(policy, check.bound)
    return _of_fact(policy, check.fact, lambda value: bool(value <= bound), bound=bound)


def _at_least(policy: PolicyVersion, check: AtLeast) -> Judge:
    bound = number_in(policy, check.bound)
    return _of_fact(policy, check.fact, lambda value: bool(value >= bound), bound=bound)


def _absent(policy: PolicyVersion, check: Absent) -> Judge:
    fact = fact_in(policy, check.fact)
    return Judge(lambda facts: fact(facts) is None, lambda facts: {check.fact: _shown(fact(facts))})


def _within(policy: PolicyVersion, check: Within) -> Judge:
    day, since = fact_in(policy, check.day), fact_in(policy, check.since)
    count, last = number_in(policy, check.count), LAST_DAY[check.unit]

    def passed(facts: Facts) -> Verdict:
        begins, asked = since(facts), day(facts)
        return None if begins is None or asked is None else begins <= asked <= last(begins, count)

    def seen(facts: Facts) -> Seen:
        begins = since(facts)
        ends = None if begins is None else last(begins, count)
        return {check.since: _shown(begins), "last_day": _shown(ends), check.day: _shown(day(facts))}

    return Judge(passed, seen)


def _reaching(step: Callable[[date, int], date]) -> Callable[[date, int], date]:
    """Remembers the days that many claims begin with; a period that leaves the calendar ends with it."""

    @lru_cache(1 << 14)
    def last(day: date, count: int) -> date:
        try:
            return step(day, count)
        except (OverflowError, ValueError):
            return date.max

    return last


LAST_DAY: dict[str, Callable[[date, int], date]] = {
    "days": _reaching(lambda day, count: day + timedelta(days=count)),
    "months": _reaching(add_months),
    "years": _reaching(anniversary),
}
"""The last day of a period that begins on a day and has so many units."""


def _in_city(policy: PolicyVersion, check: InCity) -> Judge:
    area = fact_in(policy, check.area)

    def seen(facts: Facts) -> Seen:
        code = area(facts)
        district = None if code is None else district_of_area(code)
        return {check.area: code, "district": district.value if district else None}

    def passed(facts: Facts) -> Verdict:
        code = area(facts)
        return None if code is None else district_of_area(code) is not None

    return Judge(passed, seen)


def _holds_role(policy: PolicyVersion, check: HoldsRole) -> Judge:
    roles, on = names_in(policy, check.roles), fact_in(policy, check.on)

    def held(facts: Facts) -> str | None:
        day = on(facts)
        return next(
            (
                item.role
                for item in facts.roles
                if day is not None
                and item.role in roles
                and item.since <= day
                and (item.until is None or day <= item.until)
                and (item.role not in check.evidenced or item.evidence)
            ),
            None,
        )

    return Judge(lambda facts: held(facts) is not None, lambda facts: {"role": held(facts), "on": _shown(on(facts))})


def _has_category(policy: PolicyVersion, check: HasCategory) -> Judge:
    wanted = names_in(policy, check.categories)

    def found(facts: Facts) -> str | None:
        return next((category for category in facts.categories if category in wanted), None)

    return Judge(lambda facts: found(facts) is not None, lambda facts: {"category": found(facts)})


def _attested(policy: PolicyVersion, check: Attested) -> Judge:
    name = check.evidence
    return Judge(
        lambda facts: facts.attested.get(name),
        lambda facts: {name: facts.evidence.get(name), "attested": facts.attested.get(name)},
    )


def _entitlement_free(policy: PolicyVersion, check: EntitlementFree) -> Judge:
    return Judge(lambda facts: facts.project_held_by is None, lambda facts: {"held_by": facts.project_held_by})


def _place_free(policy: PolicyVersion, check: PlaceFree) -> Judge:
    places = policy.parameters.places
    return Judge(
        lambda facts: facts.places_held < places,
        lambda facts: {"held_before": facts.places_held, "at_most": places},
    )


def _payee_is_claimant(policy: PolicyVersion, check: PayeeIsClaimant) -> Judge:
    return Judge(lambda facts: facts.payee_matches, lambda facts: {"holder_is_claimant": facts.payee_matches})


def _all_of(policy: PolicyVersion, check: AllOf) -> Judge:
    parts = [judge_of(policy, part) for part in check.checks]
    asked = tuple(part.passed for part in parts)

    def passed(facts: Facts) -> Verdict:
        return _all_passed(asked, facts)

    return Judge(passed, _together(parts))


def _any_of(policy: PolicyVersion, check: AnyOf) -> Judge:
    parts = [judge_of(policy, part) for part in check.checks]

    def passed(facts: Facts) -> Verdict:
        verdicts = [part.passed(facts) for part in parts]
        return True if True in verdicts else None if None in verdicts else False

    return Judge(passed, _together(parts))


def _together(parts: list[Judge]) -> Callable[[Facts], Seen]:
    def seen(facts: Facts) -> Seen:
        found: Seen = {}
        for part in parts:
            found |= part.seen(facts)
        return found

    return seen


_JUDGES: dict[type[Word], Callable[[PolicyVersion, Any], Judge]] = {
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
