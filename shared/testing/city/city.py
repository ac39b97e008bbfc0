"""City: the people and places of the demo, made from a seed and a run number, with no I/O and no chance.

The same (seed, run, index) is always the same person; another run is other people. Personal values are distinct within
a run and between the runs of one seed (names in the first hundred runs, numbers in the first six hundred).
"""

# ruff: noqa: SIM905  word lists are easier to read and to extend as text

import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from shared.testing.city import furniture
from shared.testing.city.furniture import DISTRICTS, OUTSIDE_AREA, PROJECTS
from shared.testing.city.names import GIVEN, Names, NameStyle
from shared.testing.city.numbers import Numbers
from shared.testing.city.shape import (
    Account,
    AccountKind,
    Bank,
    Channel,
    ClaimPlan,
    Founder,
    Organisation,
    Person,
    Project,
    Road,
    Role,
    Stage,
)
from shared.testing.city.spread import Spread
from shared.values.categories import IdentityCategory
from shared.values.education import EducationCode
from shared.values.identity_number import IdentityKind
from shared.values.sex import Sex

AS_OF: Final = date(2025, 3, 3)
"""The Asia/Shanghai day on which the sandbox business clock starts; registration dates are told from it."""

_PER_RUN: Final = 1 << 16
BEFORE_ANY_POLICY: Final = date(2023, 4, 20)
"""Certificates of that day came before the first policy (clause B-01): their claims wait for a version."""
_INSTRUCTORS_FROM: Final = _PER_RUN - 64
MAX_FOUNDERS: Final = _INSTRUCTORS_FROM

# Every twenty founders go every road once and nine are simply paid; the kinds of document have another period, so
# that roads and kinds meet in every combination.
_ROADS: Final = [*Road, *(Road.PAID,) * 8]
_KINDS: Final = {
    4: IdentityKind.HMT_RESIDENT,
    9: IdentityKind.FOREIGN_PERMANENT,
    13: IdentityKind.FOREIGN_PERMANENT_OLD,
}
_KIND_PERIOD: Final = 17
_STYLES: Final = ((NameStyle.ETHNIC, 13, 5), (NameStyle.COMPOUND, 11, 4), (NameStyle.RARE, 7, 3))

_TRADES: Final = (
    "科技 网络科技 信息技术 文化传播 餐饮管理 电子商务 生物科技 教育咨询 设计 贸易 供应链管理 环保科技 "
    "农业科技 体育文化 健康管理 物流 数字科技 新材料科技"
).split()
_EDUCATION: Final = tuple(EducationCode(code) for code in ("21", "31", "14", "61", "41", "11", "71"))
_START_UP: Final = tuple(project for project in PROJECTS if project.stage is Stage.START_UP)


class City:
    """A demo city of `founders` founders (at most `MAX_FOUNDERS`); raises `ValueError` for numbers out of range.

    `institutions`, `evaluation_bodies`, `carriers`, `banks` and `projects` depend on the seed alone: they keep their
    place, and their sandbox clients, from run to run. `founders` and `instructors` are this run's.
    """

    def __init__(self, seed: int, run: int, founders: int, *, as_of: date = AS_OF) -> None:
        if run < 0 or not 0 <= founders <= MAX_FOUNDERS:
            raise ValueError(f"a city has a run from 0 and 0 to {MAX_FOUNDERS} founders")
        self.seed, self.run, self.as_of = seed, run, as_of
        self._names, self._numbers = Names(seed), Numbers(seed)
        self._firms = Spread(seed, "firms", len(GIVEN) ** 2 * len(_TRADES))
        # Ordinals of runs begin behind those of the furniture.
        self.institutions = furniture.institutions(self._numbers, 0)
        self.evaluation_bodies = furniture.evaluation_bodies(self._numbers, 100)
        self.carriers = furniture.carriers(self._numbers, 200)
        self.banks = furniture.banks(self._numbers, 300)
        self.projects: tuple[Project, ...] = PROJECTS
        roads = self._roads(founders)
        outside = roads.index(Road.REJECTED) if Road.REJECTED in roads else None
        self.founders = tuple(self._founder(index, road, index == outside) for index, road in enumerate(roads))
        self.instructors = tuple(self._person(_INSTRUCTORS_FROM + n) for n in range(len(self.institutions)))

    @property
    def people(self) -> tuple[Person, ...]:
        """Everyone of this run: founders, then one instructor per institution, in the institutions' order."""
        return (*(founder.person for founder in self.founders), *self.instructors)

    @property
    def organisations(self) -> tuple[Organisation, ...]:
        """The founders' organisations, in the founders' order."""
        return tuple(founder.organisation for founder in self.founders)

    def personal_values(self) -> Iterator[str]:
        """Every text that must not be readable where no person is to be known: names, numbers, mobiles, accounts."""
        for person in self.people:
            yield from person.personal_values()
        for founder in self.founders:
            if founder.first_account:
                yield founder.first_account.number

    def _roads(self, founders: int) -> list[Road]:
        chance = random.Random(f"{self.seed}:{self.run}:roads")
        roads: list[Road] = []
        while len(roads) < founders:
            roads += chance.sample(_ROADS, len(_ROADS))
        if roads:  # the first founder is always one who is paid, so that a demo of one shows the whole way
            first_paid = roads.index(Road.PAID)
            roads[0], roads[first_paid] = roads[first_paid], roads[0]
        return roads[:founders]

    def _person(self, index: int) -> Person:
        ordinal = (self.run + 1) * _PER_RUN + index
        chance = random.Random(self.seed << 64 | ordinal)
        kind = _KINDS.get(index % _KIND_PERIOD, IdentityKind.RESIDENT)
        style, name = self._name(index, kind)
        number, birth = self._numbers.identity(kind, ordinal)
        if kind is IdentityKind.FOREIGN_PERMANENT_OLD:
            sex = chance.choice((Sex.MALE, Sex.FEMALE))
        else:
            sex = Sex.MALE if int(number[16]) % 2 else Sex.FEMALE
        bank = self.banks[index % len(self.banks)]
        fitting = _categories(birth, kind, self.as_of)
        return Person(
            index=index,
            name=name,
            name_style=style,
            identity_kind=kind,
            identity_number=number,
            birth_date=birth,
            sex=sex,
            mobile=self._numbers.mobile(ordinal),
            account=self._account(name, bank, ordinal, chance.choice(tuple(AccountKind))),
            education=chance.choice(_EDUCATION),
            categories=tuple(chance.sample(fitting, min(len(fitting), chance.choice((0, 1, 1, 2))))),
        )

    def _name(self, index: int, kind: IdentityKind) -> tuple[NameStyle, str]:
        if kind in (IdentityKind.FOREIGN_PERMANENT, IdentityKind.FOREIGN_PERMANENT_OLD):
            style, period = NameStyle.LATIN, 1
        elif kind is IdentityKind.HMT_RESIDENT:
            style, period = NameStyle.PLAIN, 1
        else:
            style, period = next(((s, p) for s, p, rest in _STYLES if index % p == rest), (NameStyle.PLAIN, 1))
        ordinal = (self.run + 1) * (_PER_RUN // period + 1) + index // period
        return style, self._names.name(style, ordinal)

    def _account(self, holder: str, bank: Bank, ordinal: int, kind: AccountKind) -> Account:
        return Account(kind, holder, self._numbers.card(bank.issuer, ordinal), bank.name)

    def _organisation(self, index: int, *, old: bool, outside: bool) -> Organisation:
        ordinal = (self.run + 1) * _PER_RUN + index
        chance = random.Random(f"{self.seed}:{ordinal}:organisation")
        district = None if outside else DISTRICTS[index % len(DISTRICTS)]
        area = district.value if district else OUTSIDE_AREA
        # Young ones stay within three years (clause B-10) for a training of some months after `as_of`.
        age = chance.randint(3 * 366, 12 * 365) if old else chance.randint(60, 2 * 365)
        one, two, trade = self._firms.parts(ordinal, len(GIVEN), len(GIVEN), len(_TRADES))
        place = "苏州" if outside else "上海"
        return Organisation(
            index=index,
            name=f"{place}{GIVEN[one]}{GIVEN[two]}{_TRADES[trade]}有限公司",
            credit_code=self._numbers.credit_code(area, ordinal),
            area=area,
            district=district,
            registered_on=self.as_of - timedelta(days=age),
        )

    def _founder(self, index: int, road: Road, outside: bool) -> Founder:
        person = self._person(index)
        organisation = self._organisation(index, old=road is Road.REJECTED and not outside, outside=outside)
        chance = random.Random(f"{self.seed}:{self.run}:{index}:road")
        first_account = None
        if road in (Road.CORRECTED, Road.RETURNED):
            other_bank = self.banks[(index + 1) % len(self.banks)]
            ordinal = (self.run + 1) * _PER_RUN + index
            holder = organisation.name if road is Road.CORRECTED else person.name
            first_account = self._account(holder, other_bank, ordinal, AccountKind.BANK_ACCOUNT)
        return Founder(
            person=person,
            organisation=organisation,
            road=road,
            role=None if road is Road.ROLE_MISSING else chance.choice(tuple(Role)),
            institution=chance.choice(self.institutions).code,
            claims=_claims(road, chance, self.as_of),
            first_account=first_account,
        )


def _claims(road: Road, chance: random.Random, as_of: date) -> tuple[ClaimPlan, ...]:
    projects = chance.sample(_START_UP, 4 if road is Road.OVER_LIMIT else 1)
    channels = [chance.choice(tuple(Channel))]
    if road is Road.DUPLICATE_CHANNELS:
        channels = [Channel.APP, Channel.WINDOW]
    days = chance.randint(370, 400) if road is Road.OUT_OF_WINDOW else chance.randint(0, 20)
    if road is Road.WAITING:
        days = (as_of - BEFORE_ANY_POLICY).days
    return tuple(
        ClaimPlan(project.code, channel, chance.choice(DISTRICTS), days) for project in projects for channel in channels
    )


def _categories(birth: date, kind: IdentityKind, as_of: date) -> list[IdentityCategory]:
    """The categories that a person of that age and document could have."""
    age = (as_of - birth).days // 365
    fitting = [IdentityCategory.FLEXIBLY_EMPLOYED]
    if kind is IdentityKind.RESIDENT:
        fitting += [
            IdentityCategory.MIGRANT_WORKER,
            IdentityCategory.HARD_TO_EMPLOY,
            IdentityCategory.REGISTERED_UNEMPLOYED,
            IdentityCategory.VETERAN,
            IdentityCategory.DISABLED,
            IdentityCategory.SOON_RELEASED,
        ]
    if age <= 35:
        fitting += [IdentityCategory.YOUNG_GRADUATE, IdentityCategory.GRADUATE_WITHIN_5_YEARS]
    if age <= 26:
        fitting += [
            IdentityCategory.STUDENT,
            IdentityCategory.GRADUATE_THIS_YEAR,
            IdentityCategory.GRADUATE_WITHIN_2_YEARS,
        ]
    return fitting
