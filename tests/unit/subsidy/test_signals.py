"""What stands out about a claim: told with its figures, decided by nobody."""

from datetime import date, timedelta

import pytest

from services.subsidy.domain.signals import (
    NAMED,
    account_changed,
    account_shared,
    institution_burst,
    organisation_new,
)
from tests.unit.subsidy.samples import ISSUED, facts


def test_an_account_of_several_people_is_told_with_their_claims() -> None:
    assert account_shared(0, []) is None
    found = account_shared(2, ["clm_1", "clm_2", "clm_3"])
    assert found is not None
    assert found.sentence == "同一收款账户还出现在另外 2 人的 3 件申请中，请核对账户归属。"
    assert (found.figures, found.claims) == ({"persons": 2, "claims": 3}, ("clm_1", "clm_2", "clm_3"))
    many = account_shared(99, [f"clm_{number}" for number in range(99)])
    assert many is not None
    assert len(many.claims) == NAMED


@pytest.mark.parametrize(
    ("recent", "before", "stands_out"),
    [
        (9, 0, False),
        (10, 0, True),
        (10, 85, True),
        (10, 86, False),
        (30, 257, True),
        (30, 258, False),
        (21, 180, True),
        (20, 180, False),
    ],
)
def test_a_burst_is_many_claims_and_many_times_the_usual_number(recent: int, before: int, stands_out: bool) -> None:
    assert (institution_burst(recent, before, []) is not None) is stands_out


def test_a_burst_is_told_beside_the_institutions_usual_number() -> None:
    found = institution_burst(12, 45, ["clm_2"])
    assert found is not None
    assert found.sentence == (
        "该培训机构学员 7 日内提交申请 12 件，此前 180 日内平均每 7 日 1.8 件，请留意是否集中代办。"
    )
    assert found.figures == {"recent": 12, "days": 7, "usual": "1.8"}


@pytest.mark.clause("B-10")
@pytest.mark.parametrize(("days", "stands_out"), [(-1, False), (0, True), (30, True), (31, False)])
def test_an_organisation_registered_just_before_the_certificate_stands_out(days: int, stands_out: bool) -> None:
    found = organisation_new(facts(organisation_registered_on=ISSUED - timedelta(days=days)))
    assert (found is not None) is stands_out
    if found is not None:
        assert found.figures == {"days": days}


def test_what_is_not_known_stands_out_in_nothing() -> None:
    assert organisation_new(None) is None
    assert organisation_new(facts(organisation_registered_on=None)) is None
    assert organisation_new(facts(certificate_issued_on=None)) is None
    assert organisation_new(facts(organisation_registered_on=date(2020, 1, 1))) is None


@pytest.mark.clause("B-19")
def test_an_account_that_was_changed_is_told() -> None:
    assert account_changed(1) is None
    found = account_changed(3)
    assert found is not None
    assert found.sentence == "提交后收款账户更改过 2 次，请核对现用账户。"
