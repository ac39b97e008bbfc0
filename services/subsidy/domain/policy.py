"""Policy version: parameters and rules as data, dated, approved by a second person, immutable once active.

(沪人社规〔2023〕7号 文末, 二(二); the readings are those of POLICY.md section 1)
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from shared.eventstore.decider import Aggregate, Decision, Event, Rejection, Row
from shared.values.money import parse_money
from shared.values.rejected import Invalid

RuleName = Literal[
    "certificate", "window", "organisation_local", "organisation_age", "role", "once_per_project", "limit", "payee"
]


class Rule(msgspec.Struct, frozen=True):
    """One rule of the closed vocabulary, the clause that it carries out, and its wording for the claimant."""

    name: RuleName
    clause: str
    text: str


MOST_PLACES = 5
"""How many subsidies of one person any version may allow: as many places are looked at for each claim."""

RANGES = {
    "places": range(1, MOST_PLACES + 1),
    "window_months": range(1, 121),
    "organisation_years": range(51),
    "notice_working_days": range(1, 61),
    "correction_working_days": range(1, 61),
    "objection_working_days": range(1, 61),
}
"""What a parameter may be. Checked when a version is drafted, never when an event is read."""


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the text leaves open, as data. Amounts in CNY; days are Asia/Shanghai calendar or working days."""

    amount: Decimal
    places: int
    window_months: int
    organisation_years: int
    roles: tuple[str, ...]
    notice_working_days: int
    correction_working_days: int
    objection_working_days: int


class PolicyVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version of a programme, for facts that fall into `effective_from … effective_until`, both inclusive."""

    programme: str
    version: str
    title: str
    source: str
    effective_from: date
    effective_until: date
    parameters: Parameters
    rules: tuple[Rule, ...]

    def in_force_on(self, day: date) -> bool:
        return self.effective_from <= day <= self.effective_until


# -- events: what happened; the names are the storage format -------------------------------------------------------


class PolicyDrafted(Event, frozen=True, tag="subsidy.PolicyDrafted.v1"):
    policy: PolicyVersion
    drafted_by: str


class PolicyActivated(Event, frozen=True, tag="subsidy.PolicyActivated.v1"):
    """A second person put the version in force."""

    programme: str
    version: str
    activated_by: str


PolicyEvent = PolicyDrafted | PolicyActivated


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Version(msgspec.Struct, frozen=True):
    policy: PolicyVersion
    drafted_by: str
    activated_by: str | None = None

    @property
    def status(self) -> str:
        return "draft" if self.activated_by is None else "active"


class Programme(msgspec.Struct, frozen=True):
    """All versions of one programme, by version; its stream is `pol_<programme>`."""

    versions: dict[str, Version] = {}


class ActiveVersions(msgspec.Struct, frozen=True):
    """The versions in force, as a submission reads them: a row of the inline projection `policy`."""

    versions: tuple[PolicyVersion, ...] = ()

    def on(self, day: date) -> PolicyVersion | None:
        """The version in force on a day, or None."""
        return next((version for version in self.versions if version.in_force_on(day)), None)

    def named(self, version: str) -> PolicyVersion | None:
        return next((item for item in self.versions if item.version == version), None)


def evolve(programme: Programme, event: PolicyEvent) -> Programme:
    match event:
        case PolicyDrafted():
            version = Version(event.policy, event.drafted_by)
            return Programme({**programme.versions, event.policy.version: version})
        case PolicyActivated():
            version = msgspec.structs.replace(programme.versions[event.version], activated_by=event.activated_by)
            return Programme({**programme.versions, event.version: version})


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class DraftPolicy(msgspec.Struct, frozen=True):
    policy: PolicyVersion
    by: str


class ActivatePolicy(msgspec.Struct, frozen=True):
    version: str
    by: str


def decide(command: DraftPolicy | ActivatePolicy, programme: Programme) -> Decision:
    match command:
        case DraftPolicy(policy, by):
            known = programme.versions.get(policy.version)
            if known is not None:
                same = known.policy == policy
                return [] if same else Rejection(code="policy_exists", detail="这个政策版本已存在，建立后不可修改")
            for name, allowed in RANGES.items():
                if getattr(policy.parameters, name) not in allowed:
                    return Rejection(
                        code="policy_parameter",
                        detail=f"参数 {name} 须在 {allowed[0]} 至 {allowed[-1]} 之间",
                        status=422,
                    )
            if policy.effective_until < policy.effective_from:
                return Rejection(code="policy_period", detail="失效日期不能早于生效日期", status=422)
            if isinstance(parse_money(str(policy.parameters.amount)), Invalid) or policy.parameters.amount <= 0:
                return Rejection(code="policy_amount", detail="补贴金额须为大于零、至多两位小数的金额", status=422)
            return [PolicyDrafted(policy, by)]
        case ActivatePolicy(version, by):
            draft = programme.versions.get(version)
            if draft is None:
                return Rejection(code="not_found", detail="没有找到这个政策版本", status=404)
            if draft.activated_by is not None:
                return []
            if by == draft.drafted_by:
                return Rejection(code="second_person_required", detail="须由另一人批准生效", status=403)
            if _overlaps(draft.policy, programme):
                return Rejection(code="policy_overlap", detail="与已生效版本的有效期重叠")
            return [PolicyActivated(draft.policy.programme, version, by)]


def _overlaps(policy: PolicyVersion, programme: Programme) -> bool:
    return any(
        other.activated_by is not None
        and other.policy.effective_from <= policy.effective_until
        and policy.effective_from <= other.policy.effective_until
        for other in programme.versions.values()
    )


def rows(stream: str, programme: Programme, event: PolicyEvent) -> Iterable[Row]:
    """What is in force now, for submissions."""
    if isinstance(event, PolicyActivated):
        active = tuple(item.policy for item in programme.versions.values() if item.activated_by is not None)
        return (Row("policy", event.programme, ActiveVersions(active)),)
    return ()


PROGRAMME: Aggregate[Programme] = Aggregate("pol", (PolicyDrafted, PolicyActivated), Programme, evolve, rows=rows)


def stream_of(programme: str) -> str:
    return f"pol_{programme}"
