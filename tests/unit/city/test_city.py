"""The demo city is full of valid, distinct and difficult people, and the same whenever it is built."""

import time
from collections import Counter
from datetime import date
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import luhn

from shared.testing.city import (
    AS_OF,
    MAX_FOUNDERS,
    RARE_CHARACTERS,
    CarrierKind,
    City,
    InstitutionKind,
    NameStyle,
    Road,
    Stage,
)
from shared.testing.city.names import COMPOUND_SURNAMES
from shared.testing.city.numbers import RESIDENT_AREAS
from shared.testing.city.spread import Spread
from shared.values.calendar import anniversary
from shared.values.credit_code import parse_credit_code, registering_area
from shared.values.districts import RETIRED, District
from shared.values.education import EDUCATION
from shared.values.identity_number import IdentityKind, IdentityNumber, parse_identity_number
from shared.values.mobile import parse_mobile
from shared.values.sex import Sex


@pytest.fixture(scope="module")
def city() -> City:
    return City(seed=7, run=1, founders=2000)


def test_the_same_seed_and_run_build_the_same_city(city: City) -> None:
    again = City(seed=7, run=1, founders=2000)
    assert again.founders == city.founders
    assert again.instructors == city.instructors
    assert (again.institutions, again.carriers, again.banks) == (city.institutions, city.carriers, city.banks)


def test_a_smaller_city_has_the_same_first_people(city: City) -> None:
    assert City(7, 1, 20).founders == city.founders[:20]


def test_other_runs_are_other_people_in_the_same_institutions(city: City) -> None:
    seen = set(city.personal_values())
    codes = {organisation.credit_code for organisation in city.organisations}
    for run in (0, 2, 3, 60):
        other = City(7, run, 2000)
        values = set(other.personal_values())
        assert not values & seen
        seen |= values
        assert codes.isdisjoint(organisation.credit_code for organisation in other.organisations)
        assert (other.institutions, other.banks, other.projects) == (city.institutions, city.banks, city.projects)


def test_another_seed_is_another_city(city: City) -> None:
    other = City(8, 1, 200)
    numbers = {person.identity_number for person in city.people}
    assert not any(person.identity_number in numbers for person in other.people)
    assert other.institutions[0].credit_code != city.institutions[0].credit_code


def test_every_identity_number_is_valid_and_says_what_the_person_says(city: City) -> None:
    for person in city.people:
        number = parse_identity_number(person.identity_number, AS_OF)
        assert isinstance(number, IdentityNumber), person
        assert (number.number, number.kind) == (person.identity_number, person.identity_kind)
        if number.kind is not IdentityKind.FOREIGN_PERMANENT_OLD:
            assert (number.birth_date, number.sex) == (person.birth_date, person.sex)
        assert person.sex in (Sex.MALE, Sex.FEMALE)
        assert person.birth_date < date(2003, 7, 1)


def test_every_kind_of_document_and_every_origin_is_there(city: City) -> None:
    assert {founder.person.identity_kind for founder in City(1, 0, 20).founders} == set(IdentityKind)
    areas = {p.identity_number[:6] for p in city.people if p.identity_kind is IdentityKind.RESIDENT}
    assert areas == set(RESIDENT_AREAS)
    assert set(RETIRED) < areas
    hmt = {p.identity_number[:6] for p in city.people if p.identity_kind is IdentityKind.HMT_RESIDENT}
    assert hmt == {"810000", "820000", "830000"}


def test_mobiles_cards_and_education_codes_are_valid(city: City) -> None:
    for person in city.people:
        assert parse_mobile(person.mobile) == person.mobile
        assert luhn.is_valid(person.account.number)
        assert len(person.account.number) == 19
        assert person.account.holder == person.name
        assert person.education in EDUCATION


def test_names_are_of_every_style(city: City) -> None:
    by_style = {style: [p.name for p in city.people if p.name_style is style] for style in NameStyle}
    assert all(by_style.values())
    assert {c for name in by_style[NameStyle.RARE] for c in name} >= set(RARE_CHARACTERS)
    assert len({c for p in City(7, 1, 40).people for c in p.name if c in RARE_CHARACTERS}) >= 4
    assert all(any(name.startswith(s) for s in COMPOUND_SURNAMES) for name in by_style[NameStyle.COMPOUND])
    assert all("·" in name for name in by_style[NameStyle.ETHNIC])
    assert all(p.name_style is NameStyle.LATIN for p in city.people if p.identity_kind.startswith("foreign"))


def test_rare_characters_come_from_every_extension_from_a_to_e() -> None:
    blocks = {"A": (0x3400, 0x4DBF), "B": (0x20000, 0x2A6DF), "C": (0x2A700, 0x2B73F), "D": (0x2B740, 0x2B81F)}
    blocks["E"] = (0x2B820, 0x2CEAF)
    for low, high in blocks.values():
        assert any(low <= ord(character) <= high for character in RARE_CHARACTERS)


def test_no_personal_value_occurs_twice_or_within_another(city: City) -> None:
    values = list(city.personal_values())
    assert len(values) == len(set(values))
    public = [o.name for o in city.organisations] + [o.credit_code for o in city.organisations]
    lengths = sorted({len(value) for value in values})
    known = set(values)
    for text in chain(values, public):
        for length in lengths:
            for start in range(len(text) - length + 1):
                part = text[start : start + length]
                assert part == text or part not in known, (part, text)


@pytest.mark.clause("B-10")
def test_organisations_are_registered_in_all_districts_and_one_outside(city: City) -> None:
    outside = [o for o in city.organisations if o.district is None]
    assert [o.area for o in outside] == ["320500"]
    assert {o.district for o in city.organisations} == {*District, None}
    for organisation in city.organisations:
        code = parse_credit_code(organisation.credit_code)
        assert code == organisation.credit_code
        assert registering_area(code) == organisation.area
    assert len({o.credit_code for o in city.organisations}) == len({o.name for o in city.organisations}) == 2000


@pytest.mark.clause("B-10")
def test_only_organisations_on_the_road_to_rejection_are_too_old_or_outside(city: City) -> None:
    for founder in city.founders:
        organisation = founder.organisation
        fits = organisation.district is not None and anniversary(organisation.registered_on, 3) >= AS_OF
        assert fits == (founder.road is not Road.REJECTED)
        assert organisation.registered_on < AS_OF


@given(st.integers(0, 10**6), st.integers(0, 1000))
@settings(max_examples=20)
def test_twenty_founders_go_every_road_and_most_are_paid(seed: int, run: int) -> None:
    roads = Counter(founder.road for founder in City(seed, run, 20).founders)
    assert set(roads) == set(Road)
    assert roads[Road.PAID] == 9


def test_a_city_of_one_shows_the_whole_way() -> None:
    assert [founder.road for founder in City(3, 0, 1).founders] == [Road.PAID]
    assert City(3, 0, 0).founders == ()


def test_each_road_has_what_it_needs(city: City) -> None:
    start_up = {project.code for project in city.projects if project.stage is Stage.START_UP}
    for founder in city.founders:
        road, plans = founder.road, founder.claims
        projects = {plan.project for plan in plans}
        assert projects <= start_up
        assert (founder.role is None) == (road is Road.ROLE_MISSING)
        assert len(projects) == (4 if road is Road.OVER_LIMIT else 1)
        assert len(plans) == (2 if road is Road.DUPLICATE_CHANNELS else len(projects))
        old = road in (Road.OUT_OF_WINDOW, Road.WAITING)
        assert all((plan.days_after_certificate > 366) == old for plan in plans)
        assert (founder.first_account is not None) == (road in (Road.CORRECTED, Road.RETURNED))
        if founder.first_account:
            assert (founder.first_account.holder == founder.person.name) == (road is Road.RETURNED)
            assert founder.first_account.number != founder.person.account.number
        if road is Road.DUPLICATE_CHANNELS:
            assert {plan.channel.value for plan in plans} == {"app", "window"}


@pytest.mark.clause("B-02")
def test_each_district_has_an_institution_and_every_kind_and_stage_is_there(city: City) -> None:
    assert [institution.district for institution in city.institutions] == list(District)
    assert {institution.kind for institution in city.institutions} == set(InstitutionKind)
    assert {kind.zh for kind in InstitutionKind} == {"职业培训机构", "院校", "创业孵化示范基地"}
    stages = Counter(project.stage for project in city.projects)
    assert set(stages) == set(Stage)
    assert [stage for stage, count in stages.items() if count > 1] == [Stage.START_UP]
    assert stages[Stage.START_UP] >= 4
    assert len(city.instructors) == len(city.institutions)


@pytest.mark.clause("A-12")
def test_there_is_a_carrier_of_each_of_the_five_kinds(city: City) -> None:
    assert [carrier.kind for carrier in city.carriers] == list(CarrierKind)


def test_every_standing_organisation_has_a_valid_code_of_its_own(city: City) -> None:
    codes = [institution.credit_code for institution in city.institutions]
    codes += [body.credit_code for body in city.evaluation_bodies]
    codes += [carrier.credit_code for carrier in city.carriers]
    codes += [bank.credit_code for bank in city.banks]
    assert all(parse_credit_code(code) == code for code in codes)
    assert len(set(codes)) == len(codes) == 16 + 2 + 5 + 3
    assert [bank.code for bank in city.banks] == ["demo-a", "demo-b", "demo-c"]


def test_roads_and_kinds_of_document_meet_in_every_combination(city: City) -> None:
    assert len({(f.road, f.person.identity_kind) for f in city.founders}) == len(Road) * len(IdentityKind)


def test_ten_thousand_founders_take_less_than_two_seconds() -> None:
    begun = time.process_time()
    assert len(City(1, 1, 10_000).founders) == 10_000
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(("run", "founders"), [(-1, 20), (0, -1), (0, MAX_FOUNDERS + 1)])
def test_numbers_out_of_range_are_refused(run: int, founders: int) -> None:
    with pytest.raises(ValueError, match="founders"):
        City(1, run, founders)


@given(st.integers(0, 10**9), st.integers(1, 5000))
@settings(max_examples=30)
def test_a_spread_is_a_permutation_of_its_domain(seed: int, size: int) -> None:
    spread = Spread(seed, "any", size)
    assert sorted(map(spread.place, range(size))) == list(range(size))
