"""Institutions: qualified per project by their own districts, for a term."""

from datetime import date, timedelta
from typing import get_args

import pytest

from services.registry.domain.institution import (
    CODE,
    INSTITUTION,
    GrantQualification,
    InstitutionKind,
    InstitutionRegistered,
    Qualification,
    QualificationGranted,
    RegisterInstitution,
    decide,
)
from shared.eventstore.decider import Take
from shared.testing import city
from shared.testing.spec import given
from shared.values.ids import InstitutionId, ProjectId

ID, PROJECT, PUDONG, YANGPU = InstitutionId("ins_1"), ProjectId("prj_1"), "310115", "310110"
TODAY, FROM, UNTIL = date(2025, 3, 3), date(2025, 1, 1), date(2025, 12, 31)
REGISTERED = InstitutionRegistered(
    institution_id=ID,
    code="demo-11",
    name="浦东新区示范职业技术学院",
    kind="college",
    district=PUDONG,
    registered_on=TODAY,
)
GRANTED = QualificationGranted(institution_id=ID, project_id=PROJECT, from_day=FROM, until_day=UNTIL)


def registration(districts: tuple[str, ...] | None = None, holder: str | None = None) -> RegisterInstitution:
    return RegisterInstitution(ID, "demo-11", REGISTERED.name, "college", PUDONG, TODAY, districts, holder)


@pytest.mark.clause("B-02")
def test_institutions_of_every_kind_are_known() -> None:
    assert set(get_args(InstitutionKind)) == {kind.value for kind in city.InstitutionKind}


@pytest.mark.parametrize("districts", [None, (PUDONG,)])
def test_the_city_and_its_own_district_register_an_institution(districts: tuple[str, ...] | None) -> None:
    given(INSTITUTION).when(decide, registration(districts)).then(REGISTERED)


def test_another_district_does_not_register_an_institution() -> None:
    given(INSTITUTION).when(decide, registration((YANGPU,))).then_rejected("not_your_district", 403)


def test_a_code_belongs_to_one_institution() -> None:
    refused = given(INSTITUTION).when(decide, registration(holder="ins_0")).then_rejected("institution_exists")
    assert refused.extensions == {"institution_id": "ins_0"}
    assert INSTITUTION.limits(INSTITUTION.initial(), REGISTERED) == (Take(CODE, "demo-11"),)


@pytest.mark.clause("B-25")
@pytest.mark.clause("B-08")
def test_the_own_district_grants_a_dated_qualification_for_a_project() -> None:
    command = GrantQualification(PROJECT, FROM, UNTIL, (PUDONG,))
    given(INSTITUTION, REGISTERED).when(decide, command).then(GRANTED)
    state = INSTITUTION.fold([REGISTERED, GRANTED])
    assert state.qualifications == (Qualification(PROJECT, FROM, UNTIL),)
    assert INSTITUTION.limits(state, GRANTED) == ()


@pytest.mark.clause("B-25")
@pytest.mark.parametrize("districts", [(), (YANGPU,)])
def test_nobody_else_grants_it(districts: tuple[str, ...]) -> None:
    command = GrantQualification(PROJECT, FROM, UNTIL, districts)
    given(INSTITUTION, REGISTERED).when(decide, command).then_rejected("not_your_district", 403)


def test_the_same_qualification_is_granted_once() -> None:
    command = GrantQualification(PROJECT, FROM, UNTIL, (PUDONG,))
    given(INSTITUTION, REGISTERED, GRANTED).when(decide, command).then_nothing()


def test_a_qualification_does_not_end_before_it_begins() -> None:
    command = GrantQualification(PROJECT, FROM, FROM - timedelta(days=1), (PUDONG,))
    given(INSTITUTION, REGISTERED).when(decide, command).then_rejected("qualification_period", 422)


def test_an_unknown_institution_is_granted_nothing() -> None:
    given(INSTITUTION).when(decide, GrantQualification(PROJECT, FROM, UNTIL, (PUDONG,))).then_rejected("not_found", 404)
