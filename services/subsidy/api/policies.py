"""`/v1/policies`: versions of programmes, drafted by one person and put in force by another."""

from datetime import date
from decimal import Decimal

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from services.subsidy.domain.policy import (
    PROGRAMME,
    ActivatePolicy,
    DraftPolicy,
    PolicyVersion,
    Programme,
    decide,
    stream_of,
)
from shared.eventstore.decider import Rejection
from shared.eventstore.listing import Listed
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.web.answers import carries_out, lists
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command
from shared.web.lists import page
from shared.web.problem import Problem, invalid_field
from shared.web.routes import router

api = router("政策")


class PolicyDocument(BaseModel):
    """A policy version as a document; its vocabulary is checked by the domain, which refuses what it does not know."""

    model_config = ConfigDict(extra="allow")

    programme: str
    version: str


class ShownVersion(msgspec.Struct, frozen=True):
    version: str
    title: str
    source: str
    status: str
    effective_from: date
    effective_until: date
    amount: Decimal


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
                item.policy.effective_from,
                item.policy.effective_until,
                item.policy.parameters.amount,
            )
            for item in programme.versions.values()
        ),
    )


def listed(id: str, programme: Programme) -> Listed:
    return Listed((), shown(id, programme))


@api.post("/policies", status_code=201, summary="建立政策版本")
@allow("policy")
@carries_out(ShownProgramme)
async def draft(request: Request, body: PolicyDocument) -> Response:
    person = caller_of(request).person
    try:
        policy = msgspec.json.decode(await request.body(), type=PolicyVersion)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        pointer = "/" + where.rstrip("`").lstrip(".").replace("[...]", "").replace(".", "/") if where else ""
        raise invalid_field(pointer, "policy_vocabulary", f"政策文件不合约定：{message}") from error
    return await _carry_out(request, policy.programme, DraftPolicy(policy, person), 201)


@api.post("/policies/{programme}/{version}:activate", summary="批准政策版本生效")
@allow("policy", "policy/approver")
@carries_out(ShownProgramme)
async def activate(request: Request, programme: str, version: str) -> Response:
    return await _carry_out(request, programme, ActivatePolicy(version, caller_of(request).person), 200)


async def _carry_out(request: Request, programme: str, wanted: DraftPolicy | ActivatePolicy, status: int) -> Response:
    if not programme.replace("-", "").isalnum() or len(programme) > 64:
        raise Problem(422, "invalid_request", "programme 只能含字母、数字和连字符")
    stream = stream_of(programme)

    def handle(work: Work) -> Answer | Rejection:
        decision = decide(wanted, work.state(PROGRAMME, stream))
        if isinstance(decision, Rejection):
            return decision
        return answer(work, stream, shown(stream, work.append(PROGRAMME, stream, decision)), status)

    return await command(request, Needs(streams=(stream,)), handle)


@api.get("/policies", summary="政策列表")
@allow("app", "district:*/*", "city", "finance/*", "policy", "auditor", "ops")
@lists(ShownProgramme)
async def all_policies(request: Request) -> Response:
    return await page(request, "policy", [])
