"""`/v1/payment-batches/{id}:query`: orders whose end the bank has not told: ask again, or show evidence.   (B-19)

An unknown outcome ends on evidence only, never by time-out: a line of a result file, a bank's statement, or a document
that two persons attest. Until then the order keeps its commitment and no other attempt is made.
"""

from datetime import date
from typing import Annotated, Literal

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from services.subsidy.domain.claim import CLAIM, Claim
from services.subsidy.domain.claim_payment import AttestOutcome, decide_payment
from services.subsidy.domain.payment_batch import MOST_ITEMS, PAYMENT_BATCH, AskOutcomes, Batch, decide
from services.subsidy.domain.payment_order import OrderId, OrderStatus, ReturnReason, order_id
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.values.ids import ClaimId
from shared.web.answers import carries_out
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command, unknown
from shared.web.fields import ClaimRef, Code, Day
from shared.web.routes import Body, router

api = router("资金")

IN_FLIGHT = ("ordered", "unknown")


class OutcomeEvidence(Body):
    """What shows how an order ended. `document`: the reference of the statement's entry, or of the document."""

    claim_id: ClaimRef
    outcome: Literal["paid", "returned"]
    on: Day
    kind: Literal["statement", "document"]
    document: Code
    reason: ReturnReason = "other"


class Query(Body):
    """Without `evidence` the bank is asked again about every order of the batch that is in flight."""

    evidence: Annotated[tuple[OutcomeEvidence, ...], Field(max_length=MOST_ITEMS)] = ()


class OrderState(msgspec.Struct, frozen=True):
    """An order as it stands. `awaits_second_person`: one person has attested its end by a document."""

    order_id: OrderId
    claim_id: str
    order_status: OrderStatus
    awaits_second_person: bool


class QueryTaken(msgspec.Struct, frozen=True):
    """The orders of the batch that are in flight still, and those that this request was about."""

    batch_id: str
    orders: tuple[OrderState, ...]


@api.post(
    "/payment-batches/{batch_id}:query",
    summary="查询未明结果，或登记凭证",
    description=(
        "不给 `evidence`：登记再次向银行查询，并列出结果未明的各笔。给出 `evidence`：凭银行对账单（`statement`）"
        "一人登记，凭书面凭证（`document`）须由两人登记相同内容。结果未明不因时间经过而了结。"
    ),
    operation_id="queryPaymentBatch",
)
@allow("finance/maker", "finance/releaser")
@carries_out(QueryTaken)
async def query(request: Request, batch_id: str, body: Query) -> Response:
    person = caller_of(request).person

    def handle(work: Work) -> Answer | Rejection:
        batch, today = work.state(PAYMENT_BATCH, batch_id), shanghai_date(work.now)
        if batch.id is None:
            return unknown("批次")
        ids = tuple(item.claim_id for item in batch.items)
        work.require(*ids)
        refusal = _attested(work, batch, body, person, today) if body.evidence else _asked(work, batch, person, today)
        if refusal is not None:
            return refusal
        named = {item.claim_id for item in body.evidence}
        states = (_state(batch, id, work.state(CLAIM, id)) for id in ids)
        shown = tuple(
            state
            for state in states
            if state is not None and (state.order_status in IN_FLIGHT or state.claim_id in named)
        )
        return answer(work, batch_id, QueryTaken(batch_id, shown))

    return await command(request, Needs(streams=(batch_id,)), handle)


def _attested(work: Work, batch: Batch, body: Query, person: str, today: date) -> Rejection | None:
    """All of the evidence, or none of it."""
    assert batch.id is not None
    known = {item.claim_id for item in batch.items}
    for item in body.evidence:
        if item.claim_id not in known:
            return unknown("申请", "/evidence")
        if item.on > today:
            return Rejection(code="day_to_come", detail="凭证日期不能晚于今天", status=422)
        attest = AttestOutcome(batch.id, item.outcome, item.reason, item.on, item.kind, item.document, person)
        decision = decide_payment(attest, work.state(CLAIM, item.claim_id))
        if isinstance(decision, Rejection):
            named: dict[str, str | int | list[str]] = {**decision.extensions, "claim_id": item.claim_id}
            return msgspec.structs.replace(decision, extensions=named)
        work.append(CLAIM, item.claim_id, decision)
    return None


def _asked(work: Work, batch: Batch, person: str, today: date) -> Rejection | None:
    assert batch.id is not None
    states = (_state(batch, item.claim_id, work.state(CLAIM, item.claim_id)) for item in batch.items)
    open_ = tuple(state.order_id for state in states if state is not None and state.order_status in IN_FLIGHT)
    decision = decide(AskOutcomes(open_, person, today), batch)
    if isinstance(decision, Rejection):
        return decision
    work.append(PAYMENT_BATCH, batch.id, decision)
    return None


def _state(batch: Batch, claim_id: ClaimId, claim: Claim) -> OrderState | None:
    assert batch.id is not None
    order = claim.order_in(batch.id)
    if order is None:
        return None
    shown = claim.outcome_attested
    waits = shown is not None and shown.what[0] == batch.id
    return OrderState(order_id(claim_id, order.attempt), claim_id, order.status, waits)
