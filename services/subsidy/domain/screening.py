"""Screening: every rule of a policy version against the facts of a claim, each with its clause and what it saw.

Rules pre-screen; they approve nothing and reject nothing on their own (个人信息保护法 art. 24).
"""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated

import msgspec

from services.subsidy.domain.policy import PolicyVersion, Rule
from shared.values.calendar import add_months, anniversary
from shared.values.districts import district_of_area
from shared.values.encoded import encodes

FactValue = str | int | bool | None


class RoleHeld(msgspec.Struct, frozen=True):
    """A role of the claimant in the organisation, Asia/Shanghai days, both ends inclusive."""

    role: str
    since: date
    until: date | None = None
    evidence: str | None = None


class Facts(msgspec.Struct, frozen=True):
    """What a claim is judged by, frozen with the claim so that the judgement can be repeated years later."""

    submitted_on: date
    certificate_kind: str
    certificate_stage: str
    certificate_issued_on: date
    certificate_revoked_on: date | None
    certificate_is_claimants: bool
    organisation_area: str
    organisation_registered_on: date
    roles: tuple[RoleHeld, ...]
    places_held: int
    project_held_by: str | None = None
    payee_matches: bool | None = None


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


def screen(policy: PolicyVersion, facts: Facts) -> tuple[RuleResult, ...]:
    """The results of all rules of `policy`, in its order. Pure: the same version and facts give the same results."""
    return tuple(_judge(rule, policy, facts) for rule in policy.rules)


def _judge(rule: Rule, policy: PolicyVersion, facts: Facts) -> RuleResult:
    passed, seen = _RULES[rule.name](policy, facts)
    return RuleResult(rule.name, rule.clause, rule.text, passed, dict(seen))


Judgement = tuple[bool | None, Mapping[str, FactValue]]


def _certificate(policy: PolicyVersion, facts: Facts) -> Judgement:
    good = (
        facts.certificate_kind == "qualification"
        and facts.certificate_stage == "start_up"
        and facts.certificate_revoked_on is None
        and facts.certificate_is_claimants
    )
    return good, {
        "kind": facts.certificate_kind,
        "stage": facts.certificate_stage,
        "revoked_on": _day(facts.certificate_revoked_on),
        "is_claimants": facts.certificate_is_claimants,
    }


def _window(policy: PolicyVersion, facts: Facts) -> Judgement:
    last_day = add_months(facts.certificate_issued_on, policy.parameters.window_months)
    return facts.certificate_issued_on <= facts.submitted_on <= last_day, {
        "issued_on": _day(facts.certificate_issued_on),
        "last_day": _day(last_day),
        "submitted_on": _day(facts.submitted_on),
    }


def _organisation_local(policy: PolicyVersion, facts: Facts) -> Judgement:
    district = district_of_area(facts.organisation_area)
    return district is not None, {"area": facts.organisation_area, "district": district.value if district else None}


def _organisation_age(policy: PolicyVersion, facts: Facts) -> Judgement:
    """The third anniversary itself still counts."""
    last_day = anniversary(facts.organisation_registered_on, policy.parameters.organisation_years)
    return facts.organisation_registered_on <= facts.certificate_issued_on <= last_day, {
        "registered_on": _day(facts.organisation_registered_on),
        "last_day": _day(last_day),
        "issued_on": _day(facts.certificate_issued_on),
    }


def _role(policy: PolicyVersion, facts: Facts) -> Judgement:
    day = facts.certificate_issued_on
    held = [
        role
        for role in facts.roles
        if role.role in policy.parameters.roles
        and role.since <= day
        and (role.until is None or day <= role.until)
        and (role.role != "partner" or role.evidence)
    ]
    return bool(held), {"role": held[0].role if held else None, "on": _day(day)}


def _once_per_project(policy: PolicyVersion, facts: Facts) -> Judgement:
    return facts.project_held_by is None, {"held_by": facts.project_held_by}


def _limit(policy: PolicyVersion, facts: Facts) -> Judgement:
    places = policy.parameters.places
    return facts.places_held < places, {"held_before": facts.places_held, "at_most": places}


def _payee(policy: PolicyVersion, facts: Facts) -> Judgement:
    return facts.payee_matches, {"holder_is_claimant": facts.payee_matches}


_RULES: dict[str, Callable[[PolicyVersion, Facts], Judgement]] = {
    "certificate": _certificate,
    "window": _window,
    "organisation_local": _organisation_local,
    "organisation_age": _organisation_age,
    "role": _role,
    "once_per_project": _once_per_project,
    "limit": _limit,
    "payee": _payee,
}


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def amount_of(policy: PolicyVersion) -> Decimal:
    """The subsidy in CNY.   (B-11)"""
    return policy.parameters.amount
