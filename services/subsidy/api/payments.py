"""`/v1/budgets` and `/v1/payment-batches`: what may be spent, and what is paid.   (B-12, B-19, B-35)"""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from services.subsidy.api.payment_view import (
    BudgetState,
    ResultsTaken,
    ResultTaken,
    ShownBatch,
    ShownBudget,
    shown_batch,
)
from services.subsidy.api.submission import Programme
from services.subsidy.domain.budget import BUDGET_LINE, SetBudget, line_of
from services.subsidy.domain.budget import decide as decide_budget
from services.subsidy.domain.budget import stream_of as budget_stream
from services.subsidy.domain.claim import BUDGET, CLAIM
from services.subsidy.domain.claim_decisions import OrderPayment, ReservePayment, SettlePayment
from services.subsidy.domain.claim_decisions import decide as decide_claim
from services.subsidy.domain.claim_events import PaymentDropped
from services.subsidy.domain.payment_batch import (
    ALREADY_RELEASED,
    MOST_ITEMS,
    PAYMENT_BATCH,
    Batch,
    Item,
    MakeBatch,
    ReleaseBatch,
    decide,
)
from services.subsidy.intake.judging import blocked, facts_of
from shared.eventstore.decider import Event, Rejection
from shared.eventstore.listing import read_page
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.values.ids import ClaimId, PaymentBatchId, new_id, uuid7
from shared.web.answers import carries_out, gives, lists, shows
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.fields import ClaimRef, Day, Money
from shared.web.lists import page
from shared.web.problem import Problem, of_rejection
from shared.web.routes import Body, router
from shared.web.step_up import steps_up

api = router("资金")


# -- budgets ---------------------------------------------------------------------------------------------------------


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


# -- payment batches ---------------------------------------------------------------------------------------------------


class NewBatch(Body):
    """Without `claims`: every payable claim that is on no hold and in no batch, at most 200."""

    claims: Annotated[tuple[ClaimRef, ...] | None, Field(min_length=1, max_length=MOST_ITEMS)] = None


class ResultLine(Body):
    claim_id: ClaimRef
    outcome: Literal["paid", "returned", "unknown"]
    reason: Annotated[str, Field(max_length=200)] = ""
    on: Day | None = None


class Results(Body):
    results: Annotated[tuple[ResultLine, ...], Field(min_length=1, max_length=MOST_ITEMS)]


@api.post(
    "/payment-batches",
    status_code=201,
    summary="制作发放批次",
    description="不给 `claims` 时，取全部待发放且未暂缓的申请，最多 200 件。",
)
@allow("finance/maker")
@carries_out(ShownBatch)
async def make(request: Request, body: NewBatch) -> Response:
    person = caller_of(request).person
    claims = body.claims if body.claims is not None else await _ready(request)
    if not claims:
        raise Problem(409, "nothing_to_pay", "没有可发放的申请")
    batch_id = PaymentBatchId(new_id("pay", uuid7()))

    def handle(work: Work) -> Answer | Rejection:
        items = []
        for claim_id in dict.fromkeys(claims):
            claim = work.state(CLAIM, claim_id)
            if claim.submission is None:
                return unknown("申请", "/claims")
            reserved = decide_claim(ReservePayment(batch_id), claim)
            if isinstance(reserved, Rejection):
                return msgspec.structs.replace(reserved, extensions={**reserved.extensions, "claim_id": claim_id})
            work.append(CLAIM, claim_id, reserved)
            assert claim.amount is not None
            items.append(Item(ClaimId(claim_id), claim.amount))
        decision = decide(MakeBatch(batch_id, tuple(items), person), Batch())
        if isinstance(decision, Rejection):
            return decision
        return answer(work, batch_id, shown_batch(batch_id, work.append(PAYMENT_BATCH, batch_id, decision)), 201)

    return await command(request, Needs(streams=tuple(claims)), handle, location="/v1/payment-batches/{id}")


async def _ready(request: Request) -> tuple[str, ...]:
    found = await read_page(store_of(request).pool, "claim", ["ready:payment"], None, MOST_ITEMS)
    return tuple(msgspec.json.decode(item)["id"] for item in found.items)


@api.post(
    "/payment-batches/{batch_id}:release",
    summary="放行发放批次",
    description="由制作人以外的另一人放行；放行时再次核对，已暂缓的申请移出批次。",
)
@allow("finance/releaser")
@carries_out(ShownBatch)
@steps_up
async def release(request: Request, batch_id: str) -> Response:
    person = caller_of(request).person

    def handle(work: Work) -> Answer | Rejection:
        batch = work.state(PAYMENT_BATCH, batch_id)
        work.require(*(item.claim_id for item in batch.items))
        if batch.released_by is not None:
            return ALREADY_RELEASED
        today = shanghai_date(work.now)
        # Every claim's facts are asked for at once, not one run of this handler after the other.
        submissions = [work.state(CLAIM, item.claim_id).submission for item in batch.items]
        work.require(facts=[fact for known in submissions if known is not None for fact in facts_of(known)])
        orders: dict[ClaimId, list[Event]] = {}
        dropped: list[ClaimId] = []
        for item in batch.items:
            claim = work.state(CLAIM, item.claim_id)
            if claim.submission is None:
                return unknown("申请")
            order = OrderPayment(PaymentBatchId(batch_id), today, blocked(work, claim.submission))
            ordered = decide_claim(order, claim)
            if isinstance(ordered, Rejection):
                named: dict[str, str | int | list[str]] = {**ordered.extensions, "claim_id": item.claim_id}
                return msgspec.structs.replace(ordered, extensions=named)
            orders[item.claim_id] = list(ordered)
            if any(isinstance(event, PaymentDropped) for event in ordered):
                dropped.append(item.claim_id)
        decision = decide(ReleaseBatch(person, today, tuple(dropped)), batch)
        if isinstance(decision, Rejection):
            return decision
        for claim_id, events in orders.items():
            work.append(CLAIM, claim_id, events)
        return answer(work, batch_id, shown_batch(batch_id, work.append(PAYMENT_BATCH, batch_id, decision)))

    return await command(request, Needs(streams=(batch_id,)), handle)


@api.post(
    "/payment-batches/{batch_id}/results",
    summary="登记银行发放结果，逐笔处理",
    description="逐笔给出结果：某一笔不被接受，不影响其他各笔。",
    operation_id="recordPaymentResults",
)
@allow("finance/maker", "finance/releaser")
@carries_out(ResultsTaken)
async def results(request: Request, batch_id: str, body: Results) -> Response:
    def handle(work: Work) -> Answer | Rejection:
        batch, today = work.state(PAYMENT_BATCH, batch_id), shanghai_date(work.now)
        if batch.id is None:
            return unknown("批次")
        known = {item.claim_id for item in batch.items}
        lines = []
        for line in body.results:
            if line.claim_id not in known:
                lines.append(ResultTaken(line.claim_id, accepted=False, code="not_in_batch"))
                continue
            settlement = SettlePayment(
                PaymentBatchId(batch_id), line.outcome, line.reason or "银行未说明原因", line.on or today
            )
            decision = decide_claim(settlement, work.state(CLAIM, line.claim_id))
            if isinstance(decision, Rejection):
                lines.append(ResultTaken(line.claim_id, accepted=False, code=decision.code))
                continue
            claim = work.append(CLAIM, line.claim_id, decision)
            lines.append(ResultTaken(line.claim_id, accepted=True, status=claim.status))
        return Answer(200, msgspec.json.encode(ResultsTaken(tuple(lines))))

    return await command(request, Needs(streams=(batch_id, *(line.claim_id for line in body.results))), handle)


@api.get("/payment-batches/{batch_id}", summary="发放批次")
@allow("finance/*", "city", "auditor")
@shows(ShownBatch)
async def read_batch(request: Request, batch_id: str) -> Response:
    work = await store_of(request).look(Needs(streams=(batch_id,)))
    batch = work.state(PAYMENT_BATCH, batch_id) if batch_id.startswith("pay_") else Batch()
    if batch.id is None:
        raise of_rejection(unknown("批次"))
    found = answer(work, batch_id, shown_batch(batch_id, batch))
    return current(request, found)


@api.get("/payment-batches", summary="发放批次列表")
@allow("finance/*", "city", "auditor", "ops")
@lists(ShownBatch)
async def batches(request: Request) -> Response:
    return await page(request, "payment-batch", [])
