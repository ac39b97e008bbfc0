"""`/v1/policies/{programme}/{version}:simulate`: what a version would change, before anyone puts it in force."""

import msgspec
from fastapi import Request
from fastapi.responses import Response

from services.subsidy.api.policies import READERS
from services.subsidy.api.submission import Programme as ProgrammeName
from services.subsidy.domain.policy import PROGRAMME, not_simulable, stream_of
from services.subsidy.domain.simulation import Simulation
from services.subsidy.processes.simulation import SIMULATION, SimulationAsked
from shared.eventstore.needs import Needs
from shared.runtime.long_work_routes import ShownOperation, accepted
from shared.web.answers import gives
from shared.web.caller import allow, caller_of
from shared.web.command import store_of
from shared.web.problem import Problem, of_rejection
from shared.web.routes import router

api = router("政策")


@api.post(
    "/policies/{programme}/{version}:simulate",
    status_code=202,
    summary="试算：按这个版本重新判断全部历史申请",
    description=(
        "按每件申请最近一次初筛所依据的事实，比较原判断与本版本的判断：多少申请受益、多少受损、分区分月需要多少资金。"
        "只读取，不改变任何申请。未试算的版本不能批准生效；已生效或已被替代的版本也可以试算，以便比较。"
    ),
)
@allow("policy", "policy/approver", "district:*/approver")
@gives(ShownOperation, headers=("Location", "Retry-After"), refuses=(404, 409), keyed=True)
async def simulate(request: Request, programme: ProgrammeName, version: ProgrammeName) -> Response:
    """Reads facts as they were judged, folds nothing, changes no claim. A district may simulate its own programmes."""
    caller = caller_of(request)
    caller.person  # noqa: B018  a person asks
    stream = stream_of(programme)
    known = (await store_of(request).look(Needs(streams=(stream,)))).state(PROGRAMME, stream)
    if (refusal := not_simulable(known, version)) is not None:
        raise of_rejection(refusal)
    city = caller.holds("policy") or caller.holds("policy/approver")
    if not city and not caller.holds(f"district:{known.versions[version].policy.owner}/approver"):
        raise Problem(403, "not_your_district", "区级经办机构只能试算本区的补贴项目")
    asked = SimulationAsked(programme, version, caller.actor())
    return await accepted(request, request.app.state.parts.operations, SIMULATION, asked)


@api.get("/policies/{programme}/{version}/simulations/{simulation_id}", summary="试算结果")
@allow(*READERS)
@gives(Simulation, refuses=(404,))
async def read(request: Request, programme: ProgrammeName, version: ProgrammeName, simulation_id: str) -> Response:
    """What came of it, once it has; `simulation_id` is the operation's id. Money in CNY, months Asia/Shanghai."""
    found = await request.app.state.parts.operations.find(simulation_id)
    if found is not None and found.kind == SIMULATION and found.result is not None:
        result = msgspec.json.decode(found.result, type=Simulation)
        if (result.programme, result.version) == (programme, version):
            return Response(found.result, media_type="application/json")
    raise Problem(404, "not_found", "没有找到这次试算，或尚未完成")
