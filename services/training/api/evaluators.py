"""`/v1/evaluators`: the bodies appointed to evaluate trainees."""

from fastapi import Request
from fastapi.responses import Response

from services.training.api.fields import EvaluatorPath, Filter, PartyCode, facets
from services.training.domain.evaluator import CODE, EVALUATOR, MARK, AppointEvaluator, EvaluatorId, decide, mark
from services.training.projections.lists import EvaluatorShown
from services.training.projections.lists import evaluator as shown
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.ids import new_id, uuid7
from shared.web.answers import carries_out, lists, shows
from shared.web.caller import allow
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.fields import Day, Name
from shared.web.lists import page
from shared.web.problem import of_rejection
from shared.web.routes import Body, router

api = router("评价机构")

READERS = ("app", "institution:*", "evaluator:*", "district:*/*", "city", "auditor", "ops", "service:*")


class NewEvaluator(Body):
    """The term of appointment, both days included."""

    code: PartyCode
    name: Name
    appointed_from: Day
    appointed_until: Day


@api.post("/evaluators", status_code=201, summary="聘任评价机构")
@allow("city")
@carries_out(EvaluatorShown)
async def appoint(request: Request, body: NewEvaluator) -> Response:
    evaluator_id = EvaluatorId(new_id(EVALUATOR.prefix, uuid7()))
    code, short = (CODE, body.code), (MARK, mark(body.code))

    def handle(work: Work) -> Answer | Rejection:
        appointment = AppointEvaluator(
            evaluator_id,
            body.code,
            body.name,
            body.appointed_from,
            body.appointed_until,
            work.holder(*code),
            work.holder(*short),
        )
        decision = decide(appointment, work.state(EVALUATOR, evaluator_id))
        if isinstance(decision, Rejection):
            return decision
        evaluator = work.append(EVALUATOR, evaluator_id, decision)
        return answer(work, evaluator_id, shown(evaluator_id, evaluator), 201)

    return await command(request, Needs(unique=(code, short)), handle, location="/v1/evaluators/{id}")


@api.get("/evaluators", summary="评价机构列表")
@allow(*READERS)
@lists(EvaluatorShown)
async def listed(request: Request, code: Filter = None) -> Response:
    return await page(request, "evaluator", facets(code=code))


@api.get("/evaluators/{evaluator_id}", summary="评价机构")
@allow(*READERS)
@shows(EvaluatorShown)
async def read(request: Request, evaluator_id: EvaluatorPath) -> Response:
    work = await store_of(request).look(Needs(streams=(evaluator_id,)))
    if not work.exists(evaluator_id):
        raise of_rejection(unknown("评价机构"))
    found = answer(work, evaluator_id, shown(evaluator_id, work.state(EVALUATOR, evaluator_id)))
    return current(request, found)
