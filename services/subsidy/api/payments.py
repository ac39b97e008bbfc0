"""`/v1/payment-batches`: what is paid together, made by one person and released by another.   (B-19, B-35)"""

from typing import Annotated

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from services.subsidy.api.payment_view import ShownBatch, shown_batch
from services.subsidy.domain.claim import CLAIM
from services.subsidy.domain.claim_decisions import decide as decide_claim
from services.subsidy.domain.claim_events import PaymentDropped, PaymentOrdered
from services.subsidy.domain.claim_payment import OrderPayment, ReservePayment
from services.subsidy.domain.payment_batch import (
    ALREADY_RELEASED,
    MOST_ITEMS,
    PAYMENT_BATCH,
    Batch,
    CancelBatch,
    Item,
    MakeBatch,
    OrderSent,
    ReleaseBatch,
    decide,
)
from services.subsidy.domain.payment_order import order_id
from services.subsidy.intake.judging import blocked, facts_of
from shared.eventstore.decider import Event, Rejection
from shared.eventstore.listing import read_page
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.values.ids import ClaimId, PaymentBatchId, new_id, uuid7
from shared.web.answers import carries_out, lists, shows
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.fields import ClaimRef
from shared.web.lists import page
from shared.web.problem import Problem, of_rejection
from shared.web.routes import Body, router
from shared.web.step_up import steps_up

api = router("资金")


# -- payment batches ---------------------------------------------------------------------------------------------------


class NewBatch(Body):
    """Without `claims`: every payable claim that is on no hold and in no batch, at most 200."""

    claims: Annotated[tuple[ClaimRef, ...] | None, Field(min_length=1, max_length=MOST_ITEMS)] = None


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
        sent = tuple(
            OrderSent(order_id(claim_id, event.attempt), claim_id, event.amount)
            for claim_id, events in orders.items()
            for event in events
            if isinstance(event, PaymentOrdered)
        )
        decision = decide(ReleaseBatch(person, today, tuple(dropped), sent), batch)
        if isinstance(decision, Rejection):
            return decision
        for claim_id, events in orders.items():
            work.append(CLAIM, claim_id, events)
        return answer(work, batch_id, shown_batch(batch_id, work.append(PAYMENT_BATCH, batch_id, decision)))

    return await command(request, Needs(streams=(batch_id,)), handle)


@api.post(
    "/payment-batches/{batch_id}:cancel",
    summary="撤销未放行的批次",
    description="尚未放行的批次可以撤销；其中的申请可列入别的批次，也可以撤回或不予批准。",
    operation_id="cancelPaymentBatch",
)
@allow("finance/maker", "finance/releaser")
@carries_out(ShownBatch)
async def cancel(request: Request, batch_id: str) -> Response:
    person = caller_of(request).person

    def handle(work: Work) -> Answer | Rejection:
        batch = work.state(PAYMENT_BATCH, batch_id)
        decision = decide(CancelBatch(person), batch)
        if isinstance(decision, Rejection):
            return decision
        work.require(*(item.claim_id for item in batch.items))
        for item in batch.items if decision else ():
            work.append(CLAIM, item.claim_id, [PaymentDropped(PaymentBatchId(batch_id))])
        return answer(work, batch_id, shown_batch(batch_id, work.append(PAYMENT_BATCH, batch_id, decision)))

    return await command(request, Needs(streams=(batch_id,)), handle)


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
