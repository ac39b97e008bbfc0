"""Screening: the rules of a whitelist against the facts of one entry, each with its clause and what it saw.

Rules pre-screen; they approve nothing and reject nothing on their own (个人信息保护法 art. 24).
"""

from collections.abc import Callable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from shared.values.districts import district_of_area

FactValue = str | bool | None

PURPOSE: Final = "whitelist_recommendation"
RECIPIENT: Final = "banks"
ROLES: Final = ("legal_representative", "responsible_person", "partner")


class RoleHeld(msgspec.Struct, frozen=True):
    """A role of the person in the organisation, Asia/Shanghai days, both ends inclusive."""

    role: str
    since: date
    until: date | None = None
    evidence: str | None = None


class ConsentSeen(msgspec.Struct, frozen=True):
    is_persons: bool
    purpose: str
    recipient: str
    withdrawn_on: date | None = None


class CertificateSeen(msgspec.Struct, frozen=True):
    is_persons: bool
    revoked_on: date | None = None


class Facts(msgspec.Struct, frozen=True):
    """What an entry is judged by on the day `on`; `certificate` is None where the entry names none."""

    on: date
    consent: ConsentSeen
    roles: tuple[RoleHeld, ...]
    organisation_area: str
    organisation_deregistered_on: date | None = None
    person_died_on: date | None = None
    person_restricted: bool = False
    certificate: CertificateSeen | None = None


class RuleResult(msgspec.Struct, frozen=True):
    """What a rule said, and the facts that it saw, frozen with the event that carries them."""

    rule: str
    clause: str
    passed: bool
    facts: dict[str, FactValue]


def screen(facts: Facts) -> tuple[RuleResult, ...]:
    """The results of all rules that apply. Pure: the same facts give the same results."""
    results = []
    for name, rule in RULES.items():
        judgement = rule.judge(facts)
        if judgement is not None:
            passed, seen = judgement
            results.append(RuleResult(name, rule.clause, passed, dict(seen)))
    return tuple(results)


def already_in_effect(entry_id: str) -> RuleResult:
    """The failed result of a person and organisation that a bank already sees under another entry."""
    return RuleResult(ONCE, RULES[ONCE].clause, False, {"entry_id": entry_id})


Judgement = tuple[bool, Mapping[str, FactValue]] | None


def _person(facts: Facts) -> Judgement:
    may_be = facts.person_died_on is None and not facts.person_restricted
    return may_be, {"died_on": _day(facts.person_died_on), "restricted": facts.person_restricted}


def _consent(facts: Facts) -> Judgement:
    consent = facts.consent
    given = consent.is_persons and consent.purpose == PURPOSE and consent.recipient == RECIPIENT
    return given and consent.withdrawn_on is None, {
        "is_persons": consent.is_persons,
        "purpose": consent.purpose,
        "recipient": consent.recipient,
        "withdrawn_on": _day(consent.withdrawn_on),
    }


def _role(facts: Facts) -> Judgement:
    """A partner's share must rest on evidence."""
    held = [
        role.role
        for role in facts.roles
        if role.role in ROLES
        and role.since <= facts.on
        and (role.until is None or facts.on <= role.until)
        and (role.role != "partner" or role.evidence)
    ]
    return bool(held), {"role": held[0] if held else None, "on": _day(facts.on)}


def _organisation(facts: Facts) -> Judgement:
    district = district_of_area(facts.organisation_area)
    return district is not None and facts.organisation_deregistered_on is None, {
        "area": facts.organisation_area,
        "district": district.value if district else None,
        "deregistered_on": _day(facts.organisation_deregistered_on),
    }


def _certificate(facts: Facts) -> Judgement:
    certificate = facts.certificate
    if certificate is None:
        return None
    return certificate.is_persons and certificate.revoked_on is None, {
        "is_persons": certificate.is_persons,
        "revoked_on": _day(certificate.revoked_on),
    }


def _once(facts: Facts) -> Judgement:
    """Not a question of facts but of limits, so it is asked only when entries take effect."""
    return None


class Rule(NamedTuple):
    clause: str
    text: str
    judge: Callable[[Facts], Judgement]


ONCE: Final = "once_in_effect"

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "person": Rule("A-12", "被推荐人没有死亡登记，个人信息未被限制处理", _person),
        "consent": Rule("个人信息保护法 art. 23", "被推荐人已单独同意向银行推荐，且未撤回", _consent),
        "role": Rule("A-12", "被推荐人是该组织的法定代表人、负责人或有证明的持股合伙人", _role),
        "organisation": Rule("A-12", "组织登记在本市，且未注销", _organisation),
        "certificate": Rule("A-12", "所列证书属于被推荐人，且未撤销", _certificate),
        ONCE: Rule("A-12", "同一银行的白名单中，同一人与同一组织没有其他有效记录", _once),
    }
)


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
