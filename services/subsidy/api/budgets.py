"""`/v1/budgets`: what may be spent in a year.   (B-12, B-35)"""

from decimal import Decimal
from typing import Annotated

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from services.subsidy.api.payment_view import BudgetState, ShownBudget
from services.subsidy.api.submission import Programme
from services.subsidy.domain.budget import BUDGET_LINE, SetBudget, line_of
from services.subsidy.domain.budget import decide as decide_budget
from services.subsidy.domain.budget import stream_of as budget_stream
from services.subsidy.domain.claim import BUDGET
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.web.answers import carries_out, gives, lists
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command, store_of, unknown
from shared.web.fields import Money
from shared.web.lists import page
from shared.web.problem import of_rejection
from shared.web.routes import Body, router

api = router("资金")


class NewBudget(Body):
    programme: Programme
    year: Annotated[int, Field(ge=2023, le=2100, strict=True)]
    amount: Money


@api.post("/budgets", status_code=201, summary="设定年度预算", description="不得低于已承诺的金额。")
@allow("city")
@carries_out(BudgetState)
async def set_budget(request: Request, body: NewBudget) -> Response:
    person = caller_of(request).person
    line = line_of(body.programme, body.year)
    stream = budget_stream(line)

    def handle(work: Work) -> Answer | Rejection:
        budget = work.state(BUDGET_LINE, stream)
        committed = (budget.amount or Decimal(0)) - work.left(BUDGET, line)
        decision = decide_budget(SetBudget(body.programme, body.year, body.amount, committed, person), budget)
        if isinstance(decision, Rejection):
            return decision
        budget = work.append(BUDGET_LINE, stream, decision)
        amount = budget.amount or Decimal(0)
        return answer(work, stream, BudgetState(line, amount, committed, amount - committed), 201)

    return await command(request, Needs(streams=(stream,), bounded=((BUDGET, line),)), handle)


@api.get("/budgets", summary="预算列表")
@allow("city", "finance/*", "auditor", "ops")
@lists(ShownBudget)
async def budgets(request: Request) -> Response:
    return await page(request, "budget", [])


@api.get("/budgets/{programme}/{year}", summary="预算、承诺与余额")
@allow("city", "finance/*", "auditor", "ops")
@gives(BudgetState)
async def budget(request: Request, programme: str, year: int) -> Response:
    line = line_of(programme, year)
    work = await store_of(request).look(Needs(streams=(budget_stream(line),), bounded=((BUDGET, line),)))
    amount = work.state(BUDGET_LINE, budget_stream(line)).amount
    if amount is None:
        raise of_rejection(unknown("预算"))
    left = work.left(BUDGET, line)
    body = BudgetState(line, amount, amount - left, left)
    return Response(msgspec.json.encode(body), media_type="application/json")
