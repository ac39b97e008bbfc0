"""`/v1/payment-batches/{id}/file`: what the bank is told to pay, with names and accounts in clear.   (B-19)

Nowhere else are accounts unsealed. Each look is an event before it is an answer.   (个人信息保护法 art. 54, 55)
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response

from services.subsidy.bank_files.pain_001 import as_pain_001
from services.subsidy.bank_files.payment_file import PayeeLine, PaymentFile, as_csv, content_digest
from services.subsidy.domain.claim import CLAIM, Claim
from services.subsidy.domain.claim_events import ClaimCorrected, ClaimSubmitted, PayeeAccount, PaymentOrdered
from services.subsidy.domain.disclosure import DISCLOSURE, PersonalDataDisclosed, Purpose
from services.subsidy.domain.payment_batch import NOT_RELEASED, PAYMENT_BATCH, Batch
from services.subsidy.domain.payment_order import Order, OrderId, order_id
from services.subsidy.intake.judging import active_versions
from shared.eventstore.needs import Needs, StoredEvent
from shared.eventstore.store import Store, new_context
from shared.eventstore.work import Answer, Work
from shared.values.ids import ClaimId, PaymentBatchId, new_id, uuid7
from shared.values.personal import Redacted, Sealed
from shared.web.answers import gives
from shared.web.caller import allow, caller_of
from shared.web.command import store_of, unknown
from shared.web.problem import Problem, of_rejection
from shared.web.routes import router

api = router("资金")

Format = Literal["csv", "pain.001"]
MEDIA_TYPES: dict[Format, str] = {"csv": "text/csv; charset=gb18030", "pain.001": "application/xml"}
SUFFIXES: dict[Format, str] = {"csv": "csv", "pain.001": "xml"}
DISCLOSED = ("holder", "number")


class _Ordered(NamedTuple):
    """An order of the batch, and the account that stood when it was given, still sealed."""

    claim_id: ClaimId
    order: Order
    told_by: UUID
    payee: PayeeAccount
    purpose: str

    @property
    def id(self) -> OrderId:
        return order_id(self.claim_id, self.order.attempt)


@api.get(
    "/payment-batches/{batch_id}/file",
    summary="发放文件：含户名和账号，须说明用途，每次调阅留痕",
    description=(
        "放行后可取。`format=csv`：GB18030，首行为批次号、笔数、总金额、币种，其后每行为订单号、户名、账号、开户行、"
        "金额、用途；`format=pain.001`：ISO 20022 pain.001.001.09。同一批次每次给出的字节相同，"
        "`Content-Digest`（RFC 9530）供银行核对；订单号在同一次发放中不变。"
    ),
    operation_id="readPaymentFile",
)
@allow("finance/*")
@gives(bytes, media_type="text/csv", headers=("Content-Digest",), refuses=(409,))
@gives(bytes, media_type="application/xml", headers=("Content-Digest",))
async def read_file(request: Request, batch_id: str, format: Format, purpose: Purpose) -> Response:
    _ = caller_of(request).person
    store = store_of(request)
    batch = await _batch(store, batch_id)
    assert batch.released_on is not None
    orders = await _orders(store, batch)
    lines = await _in_clear(store, orders)
    await _record(request, orders, purpose, batch_id)
    content = _written(format, PaymentFile(PaymentBatchId(batch_id), batch.released_on, lines))
    headers = {
        "Content-Digest": content_digest(content),
        "Content-Disposition": f'attachment; filename="{batch_id}.{SUFFIXES[format]}"',
        "Cache-Control": "no-store",
    }
    return Response(content, media_type=MEDIA_TYPES[format], headers=headers)


def _written(format: Format, file: PaymentFile) -> bytes:
    return as_csv(file) if format == "csv" else as_pain_001(file)


async def _batch(store: Store, batch_id: str) -> Batch:
    batch = Batch()
    if batch_id.startswith("pay_"):
        batch = (await store.look(Needs(streams=(batch_id,)))).state(PAYMENT_BATCH, batch_id)
    if batch.id is None:
        raise of_rejection(unknown("批次"))
    if batch.released_by is None:
        raise of_rejection(NOT_RELEASED)
    return batch


async def _orders(store: Store, batch: Batch) -> list[_Ordered]:
    assert batch.id is not None
    claims = tuple(item.claim_id for item in batch.items if item.claim_id not in batch.dropped)
    work = await store.look(Needs(streams=claims))
    programmes = {known.programme for id in claims if (known := work.state(CLAIM, id).submission) is not None}
    versions = await store.look(Needs(rows=tuple(("policy", programme) for programme in sorted(programmes))))
    found = []
    for claim_id in claims:
        claim = work.state(CLAIM, claim_id)
        order = claim.order_in(batch.id)
        if order is None:
            continue
        told_by, payee = _account_ordered_to(work.history(claim_id), batch.id)
        found.append(_Ordered(claim_id, order, told_by, payee, _purpose(versions, claim)))
    return found


def _account_ordered_to(history: Sequence[StoredEvent], batch_id: PaymentBatchId) -> tuple[UUID, PayeeAccount]:
    """The account as it stood at the order: a later correction belongs to the next attempt."""
    told: tuple[UUID, PayeeAccount] | None = None
    for stored in history:
        event = stored.event
        if isinstance(event, ClaimSubmitted | ClaimCorrected):
            told = stored.id, event.payee
        elif isinstance(event, PaymentOrdered) and event.batch_id == batch_id:
            break
    assert told is not None
    return told


def _purpose(versions: Work, claim: Claim) -> str:
    """What the bank shows the payee: the title of the version that approved the claim."""
    assert claim.submission is not None
    version = active_versions(versions, claim.submission.programme).named(claim.policy_version or "")
    return claim.submission.programme if version is None else version.title


async def _in_clear(store: Store, orders: Sequence[_Ordered]) -> tuple[PayeeLine, ...]:
    sealed = [(of.told_by, value) for of in orders for value in (of.payee.holder, of.payee.number)]
    opened = await store.disclose([(id, value) for id, value in sealed if isinstance(value, Sealed)])
    if any(isinstance(value, Redacted) for value in opened):
        raise Problem(409, "payee_erased", "批次中有人员的个人信息已依法删除，不能再出具文件")
    holders, numbers = opened[::2], opened[1::2]
    return tuple(
        PayeeLine(
            order_id(of.claim_id, of.order.attempt),
            str(holder),
            str(number),
            of.payee.bank,
            of.order.amount,
            of.purpose,
        )
        for of, holder, number in zip(orders, holders, numbers, strict=True)
    )


async def _record(request: Request, orders: Sequence[_Ordered], purpose: Purpose, batch_id: str) -> None:
    """Who looked at whose account, in which batch, and why; written before anything is answered."""
    stream, caller = new_id("dis", uuid7()), caller_of(request)
    people = {value.subject for of in orders if isinstance(value := of.payee.holder, Sealed)}

    def handle(work: Work) -> Answer:
        event = PersonalDataDisclosed(caller.client, tuple(sorted(people)), DISCLOSED, purpose, True, batch_id)
        work.append(DISCLOSURE, stream, [event])
        return Answer(204, b"")

    await store_of(request).carry_out(Needs(), handle, new_context(caller.actor()))
