"""Policy: the versions of one programme, drafted, simulated, put in force by a second person, superseded.

A version is never edited: another one supersedes it.   (沪人社规〔2023〕7号 文末)
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec
from msgspec.structs import replace

from services.subsidy.domain.policy_version import PolicyVersion, misfits
from services.subsidy.domain.screening import failed_examples
from shared.eventstore.decider import Aggregate, Decision, Event, Rejection, Row

# -- events: what happened; the names are the storage format -------------------------------------------------------


class PolicyDrafted(Event, frozen=True, tag="subsidy.PolicyDrafted.v2"):
    policy: PolicyVersion
    drafted_by: str


class PolicySimulated(Event, frozen=True, tag="subsidy.PolicySimulated.v1"):
    """The version was run over the claims there were: how many would gain, lose, and what it would cost (CNY).

    `paid_now`: what the claims cost as they stand, `paid_then`: what they would cost; see `simulation.py`.
    """

    programme: str
    version: str
    simulation_id: str
    claims: int
    gaining: int
    losing: int
    paid_now: Decimal
    paid_then: Decimal
    simulated_by: str


class PolicyActivated(Event, frozen=True, tag="subsidy.PolicyActivated.v1"):
    """A second person put the version in force."""

    programme: str
    version: str
    activated_by: str


class PolicySuperseded(Event, frozen=True, tag="subsidy.PolicySuperseded.v1"):
    """Another version took its place from its own first day; what was decided under this one stands."""

    programme: str
    version: str
    superseded_by: str


PolicyEvent = PolicyDrafted | PolicySimulated | PolicyActivated | PolicySuperseded
EVENTS = (PolicyDrafted, PolicySimulated, PolicyActivated, PolicySuperseded)


# -- state and evolve: what we know ---------------------------------------------------------------------------------

VersionStatus = Literal["draft", "simulated", "active", "superseded"]


class Version(msgspec.Struct, frozen=True):
    policy: PolicyVersion
    drafted_by: str
    status: VersionStatus = "draft"
    simulation_id: str | None = None
    activated_by: str | None = None


class Programme(msgspec.Struct, frozen=True):
    """All versions of one programme, by version; its stream is `pol_<programme>`."""

    versions: dict[str, Version] = {}

    def with_status(self, *wanted: VersionStatus) -> tuple[PolicyVersion, ...]:
        return tuple(version.policy for version in self.versions.values() if version.status in wanted)


class ActiveVersions(msgspec.Struct, frozen=True):
    """The versions of a programme as claims read them: a row of the inline projection `policy`.

    A superseded version judges the days that its successors leave, unless it was provisional; claims that were
    decided under it still go by it.
    """

    versions: tuple[PolicyVersion, ...] = ()
    superseded: tuple[PolicyVersion, ...] = ()

    def on(self, day: date) -> PolicyVersion | None:
        """The version in force on a day, or None."""
        confirmed = (version for version in reversed(self.superseded) if not version.provisional)
        return next((version for version in (*self.versions, *confirmed) if version.in_force_on(day)), None)

    def named(self, version: str) -> PolicyVersion | None:
        return next((item for item in (*self.versions, *self.superseded) if item.version == version), None)

    @property
    def latest(self) -> PolicyVersion | None:
        """The version in force whose term ends last: what a claim of this programme is made with."""
        return max(self.versions, key=lambda version: version.effective_until, default=None)


def evolve(programme: Programme, event: PolicyEvent) -> Programme:
    match event:
        case PolicyDrafted():
            return _with(programme, event.policy.version, Version(event.policy, event.drafted_by))
        case PolicySimulated():
            version = programme.versions[event.version]
            status: VersionStatus = "simulated" if version.status == "draft" else version.status
            return _with(programme, event.version, replace(version, status=status, simulation_id=event.simulation_id))
        case PolicyActivated():
            version = programme.versions[event.version]
            return _with(programme, event.version, replace(version, status="active", activated_by=event.activated_by))
        case PolicySuperseded():
            version = programme.versions[event.version]
            return _with(programme, event.version, replace(version, status="superseded"))


def _with(programme: Programme, name: str, version: Version) -> Programme:
    return Programme({**programme.versions, name: version})


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class DraftPolicy(msgspec.Struct, frozen=True):
    policy: PolicyVersion
    by: str


class RecordSimulation(msgspec.Struct, frozen=True):
    simulated: PolicySimulated


class ActivatePolicy(msgspec.Struct, frozen=True):
    version: str
    by: str


PolicyCommand = DraftPolicy | RecordSimulation | ActivatePolicy


def decide(command: PolicyCommand, programme: Programme) -> Decision:
    match command:
        case DraftPolicy():
            return _draft(command, programme)
        case RecordSimulation(simulated):
            version = programme.versions.get(simulated.version)
            if version is None:
                return UNKNOWN
            return [] if version.simulation_id == simulated.simulation_id else [simulated]
        case ActivatePolicy():
            return _activate(command, programme)


UNKNOWN = Rejection(code="not_found", detail="没有找到这个政策版本", status=404)
AMOUNT_UNSET = Rejection(
    code="policy_amount_unset", detail="补贴金额尚未设定：请另建一个写明金额的版本，再予试算和批准"
)


def not_simulable(programme: Programme, version: str) -> Rejection | None:
    """Why a version cannot be simulated: there is no such one, or nobody can say what it would cost."""
    found = programme.versions.get(version)
    if found is None:
        return UNKNOWN
    return AMOUNT_UNSET if found.policy.parameters.amount is None else None


def _draft(command: DraftPolicy, programme: Programme) -> Decision:
    policy = command.policy
    first = next(iter(programme.versions.values()), None)
    if first is not None and first.policy.owner != policy.owner:
        return Rejection(code="programme_of_another", detail="这个补贴项目属于其他机构", status=403)
    known = programme.versions.get(policy.version)
    if known is not None:
        same = known.policy == policy
        return [] if same else Rejection(code="policy_exists", detail="这个政策版本已存在，建立后不可修改")
    wrong = tuple(misfits(policy)) or tuple(failed_examples(policy))
    if wrong:
        return Rejection(code="invalid_policy", detail="政策文件有误，请按提示修改", status=422, fields=wrong)
    return [PolicyDrafted(policy, command.by)]


def _activate(command: ActivatePolicy, programme: Programme) -> Decision:
    draft = programme.versions.get(command.version)
    if draft is None:
        return UNKNOWN
    if draft.activated_by is not None:
        return []
    policy = draft.policy
    if command.by == draft.drafted_by:
        return Rejection(code="second_person_required", detail="须由另一人批准生效", status=403)
    if policy.parameters.amount is None:
        return AMOUNT_UNSET
    if draft.status != "simulated":
        return Rejection(code="policy_not_simulated", detail="批准生效前须先试算")
    in_force = {version.version: version for version in programme.with_status("active")}
    if (unknown := [name for name in policy.supersedes if name not in in_force]) != []:
        return Rejection(code="policy_supersedes", detail="要替代的版本不在生效中", extensions={"versions": unknown})
    if any(_overlap(policy, other) for name, other in in_force.items() if name not in policy.supersedes):
        return Rejection(code="policy_overlap", detail="与已生效版本的有效期重叠，须写明替代哪个版本")
    superseded = [PolicySuperseded(policy.programme, name, policy.version) for name in policy.supersedes]
    return [*superseded, PolicyActivated(policy.programme, policy.version, command.by)]


def _overlap(one: PolicyVersion, other: PolicyVersion) -> bool:
    return other.effective_from <= one.effective_until and one.effective_from <= other.effective_until


def rows(stream: str, programme: Programme, event: PolicyEvent) -> Iterable[Row]:
    """What is in force now, for submissions; they run no examples."""
    if isinstance(event, PolicyActivated):
        active, superseded = programme.with_status("active"), programme.with_status("superseded")
        return (Row("policy", event.programme, ActiveVersions(_lean(active), _lean(superseded))),)
    return ()


def _lean(versions: tuple[PolicyVersion, ...]) -> tuple[PolicyVersion, ...]:
    return tuple(replace(version, examples=()) for version in versions)


PROGRAMME: Aggregate[Programme] = Aggregate("pol", EVENTS, Programme, evolve, rows=rows)


def stream_of(programme: str) -> str:
    return f"pol_{programme}"
