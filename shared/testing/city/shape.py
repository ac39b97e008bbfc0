"""The shape of the demo city: plain frozen data about people and places that do not exist."""

from datetime import date
from enum import StrEnum

import msgspec

from shared.testing.city.names import NameStyle
from shared.values.categories import IdentityCategory
from shared.values.districts import District
from shared.values.education import EducationCode
from shared.values.identity_number import IdentityKind
from shared.values.sex import Sex


class Road(StrEnum):
    """How a founder's claim is meant to go."""

    PAID = "paid"
    REJECTED = "rejected"
    OBJECTED_UPHELD = "objected_upheld"
    OBJECTED_DISMISSED = "objected_dismissed"
    CORRECTED = "corrected"
    OVER_LIMIT = "over_limit"
    OUT_OF_WINDOW = "out_of_window"
    ROLE_MISSING = "role_missing"
    DUPLICATE_CHANNELS = "duplicate_channels"
    RETURNED = "returned"
    RECOVERED = "recovered"
    WAITING = "waiting"


class Role(StrEnum):
    """Roles of clause B-10."""

    LEGAL_REPRESENTATIVE = "legal_representative"
    PARTNER = "partner"


class Channel(StrEnum):
    """Channels of clause B-16."""

    APP = "app"
    WINDOW = "window"


class AccountKind(StrEnum):
    """Account kinds of clause B-19."""

    SOCIAL_SECURITY_CARD = "social_security_card"
    BANK_ACCOUNT = "bank_account"


class Stage(StrEnum):
    """The four stages of training of clause B-02; `zh` is the policy's term."""

    AWARENESS = "awareness"
    PREPARATION = "preparation"
    START_UP = "start_up"
    GROWTH = "growth"

    @property
    def zh(self) -> str:
        """The policy's term, zh-CN."""
        return {
            "awareness": "创业意识激发期",
            "preparation": "创业准备期",
            "start_up": "创业初创期",
            "growth": "创业发展期",
        }[self.value]


class InstitutionKind(StrEnum):
    """Kinds of training institution of clause B-02; the value is the stable code, `zh` the policy's term."""

    VOCATIONAL_SCHOOL = "vocational_school"
    COLLEGE = "college"
    INCUBATION_BASE = "incubation_base"

    @property
    def zh(self) -> str:
        """The policy's term, zh-CN."""
        return {
            "vocational_school": "职业培训机构",
            "college": "院校",
            "incubation_base": "创业孵化示范基地",
        }[self.value]


class CarrierKind(StrEnum):
    """The five kinds of carrier of clause A-12; the value is the stable code, `zh` the policy's term."""

    DISTRICT = "district"
    INCUBATION_BASE = "incubation_base"
    COLLEGE_STATION = "college_station"
    MASS_ORGANISATION = "mass_organisation"
    INDUSTRY_ASSOCIATION = "industry_association"

    @property
    def zh(self) -> str:
        """The policy's term, zh-CN."""
        return {
            "district": "区",
            "incubation_base": "创业孵化示范基地",
            "college_station": "院校创业指导站",
            "mass_organisation": "群团组织",
            "industry_association": "行业协会",
        }[self.value]


class Account(msgspec.Struct, frozen=True):
    """Where money is to go; `bank` is the bank's name as a claimant would write it."""

    kind: AccountKind
    holder: str
    number: str
    bank: str


class Person(msgspec.Struct, frozen=True):
    """A person of the city; `birth_date` and `sex` agree with the number wherever the number states them."""

    index: int
    name: str
    name_style: NameStyle
    identity_kind: IdentityKind
    identity_number: str
    birth_date: date
    sex: Sex
    mobile: str
    account: Account
    education: EducationCode
    categories: tuple[IdentityCategory, ...]

    def personal_values(self) -> tuple[str, ...]:
        """The texts that must never be readable outside the services that own them."""
        return self.name, self.identity_number, self.mobile, self.account.number


class Organisation(msgspec.Struct, frozen=True):
    """A founder's organisation; `district` is None outside the city, `area` is always its GB/T 2260 area."""

    index: int
    name: str
    credit_code: str
    area: str
    district: District | None
    registered_on: date


class Institution(msgspec.Struct, frozen=True):
    """A training institution; `code` is that of its sandbox client, `demo-1` to `demo-16`."""

    code: str
    name: str
    credit_code: str
    kind: InstitutionKind
    district: District


class EvaluationBody(msgspec.Struct, frozen=True):
    """An evaluation body; `code` is that of its sandbox client, `demo-1` and `demo-2`."""

    code: str
    name: str
    credit_code: str


class Carrier(msgspec.Struct, frozen=True):
    """A carrier that recommends to a whitelist; `code` is that of its sandbox client, `demo-1` to `demo-5`."""

    code: str
    name: str
    credit_code: str
    kind: CarrierKind
    district: District


class Bank(msgspec.Struct, frozen=True):
    """A bank; `code` is that of its sandbox client, `demo-a` to `demo-c`; `issuer` begins its card numbers."""

    code: str
    name: str
    credit_code: str
    issuer: str


class Project(msgspec.Struct, frozen=True):
    """A training project; `hours` are class hours."""

    code: str
    name: str
    stage: Stage
    hours: int


class ClaimPlan(msgspec.Struct, frozen=True):
    """One claim that a founder makes: for which project, where, and how many calendar days after the certificate."""

    project: str
    channel: Channel
    accepting_district: District
    days_after_certificate: int


class Founder(msgspec.Struct, frozen=True):
    """A person, the organisation, and the road of the claim.

    `role` is None on the road `role_missing`. `institution` is the code of the institution trained at. On the road
    `rejected` the organisation is older than three years or outside the city. On the road `waiting` the certificate is
    older than the first policy. `first_account` is what a founder hands in first: on the road `corrected` an account
    in the organisation's name, not the claimant's own, on the road `returned` an own one that is closed (clause B-19).
    """

    person: Person
    organisation: Organisation
    road: Road
    role: Role | None
    institution: str
    claims: tuple[ClaimPlan, ...]
    first_account: Account | None = None
