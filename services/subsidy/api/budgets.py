"""`/v1/budgets`: what may be spent in a year.   (B-12, B-35)"""

from decimal import Decimal
from typing import Annotated

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from services.subsidy.api.payment_view import BudgetShown, BudgetState, CarryOverState, ShownBudget
from services.subsidy.api.submission import Programme
from services.subsidy.domain.budget import BUDGET_LINE, ConfirmCarryOver, ProposeCarryOver, SetBudget, line_of
from services.subsidy.domain.budget import decide as decide_budget
from services.subsidy.domain.budget import stream_of as budget_stream
from services.subsidy.domain.claim import BUDGET
from services.subsidy.projections.money import money_of
from shared.eventstore.decider import Decision, Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.web.answers import carries_out, gives, lists
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command, store_of, unknown
from shared.web.fields import Money
from shared.web.lists import page
from shared.web.problem import of_rejection
from shared.web.routes import Body, router
from shared.web.step_up import steps_up

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


@api.get(
    "/budgets/{programme}/{year}",
    summary="预算、承诺、发放与余额",
    description="承诺与余额即时；发放净额与本年度追回款按列表所示，`as_of` 为其日志位置。追回款不增加可承诺的金额。",
)
@allow("city", "finance/*", "auditor", "ops")
@gives(BudgetShown)
async def budget(request: Request, programme: str, year: int) -> Response:
    line, store = line_of(programme, year), store_of(request)
    work = await store.look(Needs(streams=(budget_stream(line),), bounded=((BUDGET, line),)))
    amount = work.state(BUDGET_LINE, budget_stream(line)).amount
    if amount is None:
        raise of_rejection(unknown("预算"))
    left = work.left(BUDGET, line)
    money = await money_of(store.pool, line)
    body = BudgetShown(line, amount, amount - left, left, money.paid, money.recovered, money.position)
    return Response(msgspec.json.encode(body), media_type="application/json")


# -- year's end -------------------------------------------------------------------------------------------------------


@api.post(
    "/budgets/{programme}/{year}:carry-over",
    summary="提出年终结转",
    description="年度结束后，由一人提出把已承诺未发放的金额结转至下一年度预算；须由另一人确认。",
    operation_id="proposeCarryOver",
)
@allow("city", "finance/maker")
@carries_out(CarryOverState)
async def carry_over(request: Request, programme: Programme, year: int) -> Response:
    person, stream = caller_of(request).person, budget_stream(line_of(programme, year))

    def handle(work: Work) -> Answer | Rejection:
        command = ProposeCarryOver(person, shanghai_date(work.now))
        return _carried_over(work, stream, decide_budget(command, work.state(BUDGET_LINE, stream)))

    return await command(request, Needs(streams=(stream,)), handle)


@api.post(
    "/budgets/{programme}/{year}:confirm-carry-over",
    summary="确认年终结转：由提出人以外的另一人",
    description="确认后逐件结转：在途的付款指令留在原年度，直至结果明确；下一年度余额不足的，待其预算增加后结转。",
    operation_id="confirmCarryOver",
)
@allow("city", "finance/releaser")
@carries_out(CarryOverState)
@steps_up
async def confirm_carry_over(request: Request, programme: Programme, year: int) -> Response:
    person, stream = caller_of(request).person, budget_stream(line_of(programme, year))
    following = budget_stream(line_of(programme, year + 1))

    def handle(work: Work) -> Answer | Rejection:
        next_amount = work.state(BUDGET_LINE, following).amount
        command = ConfirmCarryOver(person, shanghai_date(work.now), next_amount)
        return _carried_over(work, stream, decide_budget(command, work.state(BUDGET_LINE, stream)))

    return await command(request, Needs(streams=(stream, following)), handle)


def _carried_over(work: Work, stream: str, decision: Decision) -> Answer | Rejection:
    if isinstance(decision, Rejection):
        return decision
    budget = work.append(BUDGET_LINE, stream, decision)
    body = CarryOverState(budget.line, line_of(budget.programme, budget.year + 1), budget.carried_to is not None)
    return answer(work, stream, body)
