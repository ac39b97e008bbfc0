"""Payment batch: claims to be paid together, made by one person and released by another.   (B-19, B-35)"""

from datetime import date
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from services.subsidy.domain.bank_results import JudgedLine, Source
from services.subsidy.domain.payment_order import OrderId
from shared.eventstore.decider import Aggregate, Decision, Event, FieldError, Rejection
from shared.values.ids import ClaimId, PaymentBatchId

MOST_ITEMS = 200
MOST_IMPORTS = 500
"""How many files and queries one batch may have: no stream grows past about a thousand events."""


class Item(msgspec.Struct, frozen=True):
    claim_id: ClaimId
    amount: Decimal


class OrderSent(msgspec.Struct, frozen=True):
    """An order as the bank is given it, CNY."""

    order_id: OrderId
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
    """Released by a second person; `dropped` were on hold at that moment and stay payable.

    `orders` are what the bank's file says; batches released before there were files have none.
    """

    batch_id: PaymentBatchId
    released_by: str
    released_on: date
    dropped: tuple[ClaimId, ...]
    orders: tuple[OrderSent, ...] = ()


class ResultsImported(Event, frozen=True, tag="subsidy.ResultsImported.v1"):
    """What a bank told, line by line, and what was made of each. `digest`: SHA-256 of the bytes, hexadecimal."""

    batch_id: PaymentBatchId
    digest: str
    source: Source
    lines: tuple[JudgedLine, ...]
    imported_by: str
    imported_on: date


class OutcomesAsked(Event, frozen=True, tag="subsidy.OutcomesAsked.v1"):
    """The bank was asked again about orders of which it has not told the end."""

    batch_id: PaymentBatchId
    orders: tuple[OrderId, ...]
    asked_by: str
    asked_on: date


class ResultLinesCleared(Event, frozen=True, tag="subsidy.ResultLinesCleared.v1"):
    """Lines of which nothing was made have been looked into: they are no open difference any more.

    `document`: the reference of what shows it.
    """

    batch_id: PaymentBatchId
    digest: str
    lines: tuple[int, ...]
    reason: str
    document: str
    cleared_by: str
    cleared_on: date


class PaymentBatchCancelled(Event, frozen=True, tag="subsidy.PaymentBatchCancelled.v1"):
    """Never released: its claims are free for another batch."""

    batch_id: PaymentBatchId
    cancelled_by: str


BatchEvent = (
    PaymentBatchMade | PaymentBatchReleased | PaymentBatchCancelled | ResultsImported | OutcomesAsked
    | ResultLinesCleared
)  # fmt: skip
EVENTS = (
    PaymentBatchMade, PaymentBatchReleased, PaymentBatchCancelled, ResultsImported, OutcomesAsked, ResultLinesCleared,
)  # fmt: skip


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Import(msgspec.Struct, frozen=True):
    """What a bank told at once. `cleared`: numbers of refused lines that were looked into."""

    lines: tuple[JudgedLine, ...]
    by: str
    cleared: frozenset[int] = frozenset()

    @property
    def refused(self) -> dict[int, JudgedLine]:
        """By number, the lines of which nothing was made; a repetition is none of them."""
        return {line.line: line for line in self.lines if not line.accepted and line.verdict != "twice"}


class Batch(msgspec.Struct, frozen=True):
    """`imports`: by digest."""

    id: PaymentBatchId | None = None
    items: tuple[Item, ...] = ()
    total: Decimal = Decimal("0.00")
    made_by: str = ""
    released_by: str | None = None
    released_on: date | None = None
    dropped: tuple[ClaimId, ...] = ()
    orders: tuple[OrderSent, ...] = ()
    imports: dict[str, Import] = {}
    asked: int = 0
    cancelled: bool = False

    @property
    def status(self) -> str:
        if self.cancelled:
            return "cancelled"
        return "made" if self.released_by is None else "released"


def evolve(batch: Batch, event: BatchEvent) -> Batch:
    match event:
        case PaymentBatchMade():
            return Batch(event.batch_id, event.items, event.total, event.made_by)
        case PaymentBatchReleased():
            return replace(
                batch,
                released_by=event.released_by,
                released_on=event.released_on,
                dropped=event.dropped,
                orders=event.orders,
            )
        case PaymentBatchCancelled():
            return replace(batch, cancelled=True)
        case ResultsImported():
            return replace(batch, imports={**batch.imports, event.digest: Import(event.lines, event.imported_by)})
        case ResultLinesCleared():
            told = batch.imports[event.digest]
            cleared = replace(told, cleared=told.cleared.union(event.lines))
            return replace(batch, imports={**batch.imports, event.digest: cleared})
        case OutcomesAsked():
            return replace(batch, asked=batch.asked + 1)


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class MakeBatch(msgspec.Struct, frozen=True):
    batch_id: PaymentBatchId
    items: tuple[Item, ...]
    by: str


class ReleaseBatch(msgspec.Struct, frozen=True):
    by: str
    today: date
    dropped: tuple[ClaimId, ...]
    orders: tuple[OrderSent, ...] = ()


class CancelBatch(msgspec.Struct, frozen=True):
    by: str


class ImportResults(msgspec.Struct, frozen=True):
    digest: str
    source: Source
    lines: tuple[JudgedLine, ...]
    by: str
    today: date


class AskOutcomes(msgspec.Struct, frozen=True):
    """`orders`: those that are in flight now."""

    orders: tuple[OrderId, ...]
    by: str
    today: date


class ClearLines(msgspec.Struct, frozen=True):
    """`lines`: numbers of refused lines of one import."""

    digest: str
    lines: tuple[int, ...]
    reason: str
    document: str
    by: str
    today: date


BatchCommand = MakeBatch | ReleaseBatch | CancelBatch | ImportResults | AskOutcomes | ClearLines
NOT_FOUND = Rejection(code="not_found", detail="没有找到这个批次", status=404)
NOT_RELEASED = Rejection(code="not_released", detail="这个批次尚未放行")
TOO_MANY = Rejection(code="too_many_imports", detail=f"一个批次最多登记 {MOST_IMPORTS} 次银行结果或查询")
CANCELLED = Rejection(code="batch_cancelled", detail="这个批次已撤销")
ALREADY_RELEASED = Rejection(code="already_released", detail="这个批次已放行")


def decide(command: BatchCommand, batch: Batch) -> Decision:
    match command:
        case MakeBatch(batch_id, items, by):
            if not 1 <= len(items) <= MOST_ITEMS:
                return Rejection(code="batch_size", detail=f"一个批次须有 1 至 {MOST_ITEMS} 笔", status=422)
            total = sum((item.amount for item in items), Decimal("0.00"))
            return [PaymentBatchMade(batch_id, items, len(items), total, by)]
        case _ if batch.id is None:
            return NOT_FOUND
        case ReleaseBatch():
            return _release(command, batch, batch.id)
        case CancelBatch(by):
            if batch.cancelled:
                return []
            return ALREADY_RELEASED if batch.released_by is not None else [PaymentBatchCancelled(batch.id, by)]
        case ImportResults():
            return _import(command, batch, batch.id)
        case AskOutcomes(orders, by, today):
            if batch.released_by is None:
                return NOT_RELEASED
            if len(batch.imports) + batch.asked >= MOST_IMPORTS:
                return TOO_MANY
            return [OutcomesAsked(batch.id, orders, by, today)] if orders else []
        case ClearLines():
            return _clear(command, batch, batch.id)


def _release(command: ReleaseBatch, batch: Batch, batch_id: PaymentBatchId) -> Decision:
    if batch.released_by is not None:
        return ALREADY_RELEASED
    if batch.cancelled:
        return CANCELLED
    if command.by == batch.made_by:
        return Rejection(code="second_person_required", detail="制单人不能放行同一批次，须由另一人放行", status=403)
    return [PaymentBatchReleased(batch_id, command.by, command.today, command.dropped, command.orders)]


def _import(command: ImportResults, batch: Batch, batch_id: PaymentBatchId) -> Decision:
    """The same file twice is nothing new."""
    if batch.released_by is None:
        return NOT_RELEASED
    if command.digest in batch.imports:
        return []
    if len(batch.imports) + batch.asked >= MOST_IMPORTS:
        return TOO_MANY
    return [ResultsImported(batch_id, command.digest, command.source, command.lines, command.by, command.today)]


def _clear(command: ClearLines, batch: Batch, batch_id: PaymentBatchId) -> Decision:
    told = batch.imports.get(command.digest)
    if told is None:
        return Rejection(code="not_found", detail="没有找到这次登记的银行结果", status=404)
    if command.by == told.by:
        return Rejection(
            code="second_person_required", detail="登记结果的人不能核销其中的差异，须由另一人核销", status=403
        )
    if other := sorted(set(command.lines) - told.refused.keys()):
        fields = tuple(FieldError(f"/lines/{command.lines.index(n)}", "not_refused", "这一行没有差异") for n in other)
        return Rejection(code="not_refused", detail="只能核销未被接受的行", status=422, fields=fields)
    new = tuple(n for n in sorted(set(command.lines)) if n not in told.cleared)
    if not new:
        return []
    on_record = (command.reason, command.document, command.by, command.today)
    return [ResultLinesCleared(batch_id, command.digest, new, *on_record)]


PAYMENT_BATCH: Aggregate[Batch] = Aggregate("pay", EVENTS, Batch, evolve)
