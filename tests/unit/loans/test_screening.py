"""What the rules of a whitelist say of an entry."""

from datetime import date, timedelta

import pytest

from services.loans.domain.screening import (
    RULES,
    CertificateSeen,
    ConsentSeen,
    Facts,
    RoleHeld,
    already_in_effect,
    screen,
)
from shared.values.districts import District

from .samples import GOOD, TODAY, facts

DAY = timedelta(days=1)


def failed(seen: Facts) -> list[str]:
    return [result.rule for result in screen(seen) if not result.passed]


@pytest.mark.clause("A-12")
def test_an_entry_with_everything_in_order_passes_every_rule() -> None:
    assert failed(GOOD) == []
    assert [result.rule for result in screen(GOOD)] == ["person", "consent", "role", "organisation", "certificate"]


def test_every_result_names_its_clause_and_every_rule_its_text() -> None:
    assert all(result.clause == RULES[result.rule].clause for result in screen(GOOD))
    assert all(rule.clause and rule.text for rule in RULES.values())


@pytest.mark.clause("A-12")
@pytest.mark.parametrize(
    ("rule", "seen"),
    [
        ("person", facts(person_died_on=TODAY)),
        ("consent", facts(consent=ConsentSeen(True, "whitelist_recommendation", "banks", TODAY))),
        ("consent", facts(consent=ConsentSeen(False, "whitelist_recommendation", "banks"))),
        ("consent", facts(consent=ConsentSeen(True, "something_else", "banks"))),
        ("consent", facts(consent=ConsentSeen(True, "whitelist_recommendation", "insurers"))),
        ("role", facts(roles=())),
        ("role", facts(roles=(RoleHeld("employee", date(2024, 1, 1)),))),
        ("role", facts(roles=(RoleHeld("partner", date(2024, 1, 1)),))),
        ("organisation", facts(organisation_area="320500")),
        ("organisation", facts(organisation_deregistered_on=TODAY)),
        ("certificate", facts(certificate=CertificateSeen(False))),
        ("certificate", facts(certificate=CertificateSeen(True, TODAY))),
    ],
)
def test_each_rule_fails_alone_for_its_own_reason(rule: str, seen: Facts) -> None:
    assert failed(seen) == [rule]


def test_a_partner_with_evidence_of_the_share_holds_a_role() -> None:
    assert failed(facts(roles=(RoleHeld("partner", date(2024, 1, 1), evidence="股权证明"),))) == []


@pytest.mark.parametrize(
    ("since", "until", "passes"),
    [
        (TODAY, None, True),
        (TODAY + DAY, None, False),
        (TODAY - DAY, TODAY, True),
        (TODAY - DAY, TODAY - DAY, False),
    ],
)
def test_a_role_counts_from_its_first_to_its_last_day(since: date, until: date | None, passes: bool) -> None:
    held = facts(roles=(RoleHeld("responsible_person", since, until),))
    assert (failed(held) == []) is passes


@pytest.mark.parametrize("district", list(District))
def test_each_of_the_sixteen_districts_is_in_the_city(district: District) -> None:
    assert failed(facts(organisation_area=district.value)) == []


def test_an_entry_that_names_no_certificate_is_not_asked_about_one() -> None:
    assert "certificate" not in [result.rule for result in screen(facts(certificate=None))]


def test_a_pair_that_a_bank_sees_already_is_named_with_the_entry_in_the_way() -> None:
    result = already_in_effect("wle_0")
    assert (result.rule, result.passed, result.facts) == ("once_in_effect", False, {"entry_id": "wle_0"})
