"""Payment batch: claims to be paid together, made by one person and released by another.   (B-19, B-35)"""

from datetime import date
from decimal import Decimal

import msgspec

from shared.eventstore.decider import Aggregate, Decision, Event, Rejection
from shared.values.ids import ClaimId, PaymentBatchId

MOST_ITEMS = 200


class Item(msgspec.Struct, frozen=True):
    claim_id: ClaimId
    amount: Decimal


# -- events: what happened; the names are the storage format -------------------------------------------------------


class PaymentBatchMade(Event, frozen=True, tag="subsidy.PaymentBatchMade.v1"):
    """`count` and `total` (CNY) are declared, as the bank will check them."""

    batch_id: PaymentBatchId
    items: tuple[Item, ...]
    count: int
    total: Decimal
    made_by: str


class PaymentBatchReleased(Event, frozen=True, tag="subsidy.PaymentBatchReleased.v1"):
    """Released by a second person; `dropped` were on hold at that moment and stay payable."""

    batch_id: PaymentBatchId
    released_by: str
    released_on: date
    dropped: tuple[ClaimId, ...]


BatchEvent = PaymentBatchMade | PaymentBatchReleased


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Batch(msgspec.Struct, frozen=True):
    id: PaymentBatchId | None = None
    items: tuple[Item, ...] = ()
    total: Decimal = Decimal("0.00")
    made_by: str = ""
    released_by: str | None = None
    dropped: tuple[ClaimId, ...] = ()

    @property
    def status(self) -> str:
        return "made" if self.released_by is None else "released"


def evolve(batch: Batch, event: BatchEvent) -> Batch:
    match event:
        case PaymentBatchMade():
            return Batch(event.batch_id, event.items, event.total, event.made_by)
        case PaymentBatchReleased():
            return msgspec.structs.replace(batch, released_by=event.released_by, dropped=event.dropped)


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class MakeBatch(msgspec.Struct, frozen=True):
    batch_id: PaymentBatchId
    items: tuple[Item, ...]
    by: str


class ReleaseBatch(msgspec.Struct, frozen=True):
    by: str
    today: date
    dropped: tuple[ClaimId, ...]


ALREADY_RELEASED = Rejection(code="already_released", detail="这个批次已放行")


def decide(command: MakeBatch | ReleaseBatch, batch: Batch) -> Decision:
    match command:
        case MakeBatch(batch_id, items, by):
            if not 1 <= len(items) <= MOST_ITEMS:
                return Rejection(code="batch_size", detail=f"一个批次须有 1 至 {MOST_ITEMS} 笔", status=422)
            total = sum((item.amount for item in items), Decimal("0.00"))
            return [PaymentBatchMade(batch_id, items, len(items), total, by)]
        case ReleaseBatch(by, today, dropped):
            if batch.id is None:
                return Rejection(code="not_found", detail="没有找到这个批次", status=404)
            if batch.released_by is not None:
                return ALREADY_RELEASED
            if by == batch.made_by:
                return Rejection(
                    code="second_person_required", detail="制单人不能放行同一批次，须由另一人放行", status=403
                )
            return [PaymentBatchReleased(batch.id, by, today, dropped)]


PAYMENT_BATCH: Aggregate[Batch] = Aggregate("pay", (PaymentBatchMade, PaymentBatchReleased), Batch, evolve)
