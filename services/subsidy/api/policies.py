"""`/v1/policies`: versions of programmes, drafted by one person and put in force by another."""

from datetime import date
from decimal import Decimal

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from services.subsidy.api.submission import Programme as ProgrammeName
from services.subsidy.domain.policy import (
    PROGRAMME,
    UNKNOWN,
    ActivatePolicy,
    DraftPolicy,
    PolicyCommand,
    Programme,
    VersionStatus,
    decide,
    stream_of,
)
from services.subsidy.domain.policy_version import PolicyVersion
from services.subsidy.policies import SHIPPED
from shared.eventstore.decider import Rejection
from shared.eventstore.listing import Listed
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.web.answers import carries_out, lists, shows
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command, current, store_of
from shared.web.lists import page
from shared.web.problem import Problem, invalid_field, of_rejection
from shared.web.routes import router

api = router("政策")


class PolicyDocument(BaseModel):
    """A policy version as a document; its vocabulary is checked by the domain, which refuses what it does not know."""

    model_config = ConfigDict(extra="allow")

    programme: str
    version: str


class ShownVersion(msgspec.Struct, frozen=True):
    """`amount` in CNY, null while it is not set. `provisional`: its claims wait for a confirmed version.

    `simulation_id`: the latest simulation, under `…/simulations/{id}`; without one nobody puts the version in force.
    """

    version: str
    title: str
    source: str
    status: VersionStatus
    provisional: bool
    supersedes: tuple[str, ...]
    owner: str
    effective_from: date
    effective_until: date
    amount: Decimal | None
    simulation_id: str | None


class ShownProgramme(msgspec.Struct, frozen=True):
    id: str
    programme: str
    versions: tuple[ShownVersion, ...]


def shown(id: str, programme: Programme) -> ShownProgramme:
    return ShownProgramme(
        id,
        id.partition("_")[2],
        tuple(
            ShownVersion(
                item.policy.version,
                item.policy.title,
                item.policy.source,
                item.status,
                item.policy.provisional,
                item.policy.supersedes,
                item.policy.owner,
                item.policy.effective_from,
                item.policy.effective_until,
                item.policy.parameters.amount,
                item.simulation_id,
            )
            for item in programme.versions.values()
        ),
    )


def listed(id: str, programme: Programme) -> Listed:
    return Listed((), shown(id, programme))


@api.post(
    "/policies",
    status_code=201,
    summary="建立政策版本",
    description=(
        "政策版本是一份数据文件：参数、规则、金额、办理环节、算例，逐条注明依据；词汇封闭，不认识的规则、参数、算符不予收入，"
        "算例不符不予收入。市级项目由市局政策岗建立，区级项目（`owner` 为区代码）也可由该区建立。建立后不可修改。"
    ),
)
@allow("policy", "district:*/approver")
@carries_out(ShownProgramme)
async def draft(request: Request, body: PolicyDocument) -> Response:
    caller = caller_of(request)
    person = caller.person
    try:
        policy = msgspec.json.decode(await request.body(), type=PolicyVersion)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        pointer = "/" + where.rstrip("`").lstrip(".").replace("[...]", "").replace(".", "/") if where else ""
        raise invalid_field(pointer, "policy_vocabulary", f"政策文件不合约定：{message}") from error
    shipped = SHIPPED.get(policy.programme)
    own = shipped is None and caller.holds(f"district:{policy.owner}/approver")
    if not caller.holds("policy") and not own:
        raise Problem(403, "not_your_district", "区级经办机构只能建立本区的补贴项目")
    return await _carry_out(request, policy.programme, DraftPolicy(policy, person), 201)


@api.post(
    "/policies/{programme}/{version}:activate",
    summary="批准政策版本生效",
    description="由建立人以外的另一人批准，批准前须先试算。与生效中版本的有效期重叠时，须写明替代哪个版本；等待中的申请随即重新初筛。",
)
@allow("policy", "policy/approver")
@carries_out(ShownProgramme)
async def activate(request: Request, programme: ProgrammeName, version: ProgrammeName) -> Response:
    return await _carry_out(request, programme, ActivatePolicy(version, caller_of(request).person), 200)


async def _carry_out(request: Request, programme: str, wanted: PolicyCommand, status: int) -> Response:
    stream = stream_of(programme)

    def handle(work: Work) -> Answer | Rejection:
        decision = decide(wanted, work.state(PROGRAMME, stream))
        if isinstance(decision, Rejection):
            return decision
        return answer(work, stream, shown(stream, work.append(PROGRAMME, stream, decision)), status)

    return await command(request, Needs(streams=(stream,)), handle)


READERS = ("app", "district:*/*", "city", "finance/*", "policy", "policy/approver", "auditor", "ops")


@api.get("/policies", summary="政策列表")
@allow(*READERS)
@lists(ShownProgramme)
async def all_policies(request: Request) -> Response:
    return await page(request, "policy", [])


@api.get("/policies/{programme}/{version}", summary="政策版本全文")
@allow(*READERS)
@shows(PolicyVersion)
async def read(request: Request, programme: ProgrammeName, version: ProgrammeName) -> Response:
    """The version as the file says it: parameters, rules with their clauses, worked examples."""
    stream = stream_of(programme)
    work = await store_of(request).look(Needs(streams=(stream,)))
    found = work.state(PROGRAMME, stream).versions.get(version)
    if found is None:
        raise of_rejection(UNKNOWN)
    return current(request, answer(work, stream, found.policy))
