"""Payments: what batches say, what the bank's file says and what claims say are the same orders, each paid once."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from deploy.local.verify.findings import Checked
from services.audit.archive.history import Located

MONEY = Decimal("0.00")
SAID = {"ordered": "在途", "unknown": "未明", "paid": "已到账", "returned": "已退回"}

Ordered = tuple[str, str, Decimal]
"""An order of a batch: its id, its claim, CNY."""


class Batch(msgspec.Struct):
    """`items`: amounts by claim. `sent`: what the bank's file says; None where batches had no files yet."""

    items: list[tuple[str, Decimal]] = []
    count: int = 0
    total: Decimal = MONEY
    released: bool = False
    dropped: list[str] = []
    sent: list[Ordered] | None = None


class Order(msgspec.Struct):
    """One attempt of a claim, as the claim's own events tell it."""

    batch: str
    id: str
    amount: Decimal
    status: str = "ordered"


class Payments(msgspec.Struct):
    """What subsidy's events say of money on its way; `findings` are what contradicts itself on the way there."""

    batches: dict[str, Batch] = {}
    orders: dict[str, list[Order]] = {}
    findings: list[str] = []


def check_payments(records: Iterable[Located]) -> Checked:
    """Each order of a released batch is one order of its claim, and no claim has two that are open or paid."""
    told = payments_of(records)
    ordered: dict[str, Counter[Ordered]] = {}
    for claim_id, orders in told.orders.items():
        for order in orders:
            ordered.setdefault(order.batch, Counter())[order.id, claim_id, order.amount] += 1
    findings = list(told.findings)
    for batch_id in sorted(told.batches.keys() | ordered.keys()):
        batch = told.batches.get(batch_id, Batch())
        findings += [f"{batch_id}：{what}" for what in _of_batch(batch, ordered.get(batch_id, Counter()))]
    count = sum(map(len, told.orders.values()))
    return Checked("发放批次与付款指令", f"{len(told.batches)} 个批次，{count} 笔付款指令", findings)


def payments_of(records: Iterable[Located]) -> Payments:
    """Follow subsidy's events in the order of its log."""
    told = Payments()
    for item in sorted(records, key=lambda item: item.position):
        kind = item.record.type.removeprefix("subsidy.")
        if kind.startswith("PaymentBatch"):
            _batch(told, kind, msgspec.json.decode(item.record.payload))
        elif kind in ("PaymentOrdered.v1", "ClaimPaid.v1", "PaymentReturned.v1", "PaymentUnknown.v1"):
            _claim(told, item.record.stream, kind, msgspec.json.decode(item.record.payload))
    return told


def _batch(told: Payments, kind: str, event: dict[str, Any]) -> None:
    batch = told.batches.setdefault(event["batch_id"], Batch())
    match kind:
        case "PaymentBatchMade.v1":
            batch.items = [(item["claim_id"], Decimal(item["amount"])) for item in event["items"]]
            batch.count, batch.total = event["count"], Decimal(event["total"])
        case "PaymentBatchReleased.v1":
            if batch.released:
                told.findings.append(f"{event['batch_id']}：放行了两次")
            sent = event.get("orders")
            batch.released, batch.dropped = True, event["dropped"]
            batch.sent = sent and [(one["order_id"], one["claim_id"], Decimal(one["amount"])) for one in sent]


def _claim(told: Payments, claim_id: str, kind: str, event: dict[str, Any]) -> None:
    orders = told.orders.setdefault(claim_id, [])
    if kind == "PaymentOrdered.v1":
        _ordered(told, claim_id, orders, event)
        return
    order = next((order for order in orders if order.batch == event["batch_id"]), None)
    outcome = {"ClaimPaid.v1": "paid", "PaymentReturned.v1": "returned", "PaymentUnknown.v1": "unknown"}[kind]
    if order is None:
        told.findings.append(f"{claim_id}：{event['batch_id']} 没有它的付款指令，却记为{SAID[outcome]}")
        return
    may_follow = ("ordered", "unknown", "paid") if outcome == "returned" else ("ordered", "unknown")
    if order.status not in may_follow or order.status == outcome:
        told.findings.append(f"{claim_id}：付款指令 {order.id} {SAID[order.status]}，又记为{SAID[outcome]}")
    if outcome == "paid" and Decimal(event["amount"]) != order.amount:
        told.findings.append(f"{claim_id}：付款指令 {order.id} 为 {order.amount} 元，到账 {event['amount']} 元")
    order.status = outcome


def _ordered(told: Payments, claim_id: str, orders: list[Order], event: dict[str, Any]) -> None:
    """An order's id is that of its claim and its attempt, with two digits."""
    id = f"{claim_id.removeprefix('clm_').replace('-', '')}-{event['attempt']:02}"
    live = [order for order in orders if order.status != "returned"]
    if live:
        told.findings.append(f"{claim_id}：付款指令 {live[-1].id} {SAID[live[-1].status]}，又发出 {id}")
    if event["attempt"] != len(orders) + 1:
        told.findings.append(f"{claim_id}：第 {len(orders) + 1} 次付款记为第 {event['attempt']} 次")
    orders.append(Order(event["batch_id"], id, Decimal(event["amount"])))


def _of_batch(batch: Batch, ordered: Counter[Ordered]) -> Iterable[str]:
    """What does not agree in one batch: its totals, its items, what the bank is sent, and what claims say."""
    if batch.count != len(batch.items) or batch.total != sum((amount for _, amount in batch.items), MONEY):
        yield f"申报 {batch.count} 笔 {batch.total} 元，与所列各笔不符"
    yield from (
        f"列有 {claim_id} {n} 次" for claim_id, n in Counter(claim for claim, _ in batch.items).items() if n > 1
    )
    told = Counter((claim_id, amount) for _, claim_id, amount in ordered.elements())
    due = Counter(item for item in batch.items if batch.released and item[0] not in batch.dropped)
    yield from (f"应付 {claim_id} {amount} 元，没有付款指令" for claim_id, amount in (due - told).elements())
    yield from (f"不应付 {claim_id} {amount} 元，却有付款指令" for claim_id, amount in (told - due).elements())
    sent = ordered if batch.sent is None else Counter(batch.sent)
    yield from (f"发给银行的 {id}（{claim_id}，{amount} 元）没有付款指令" for id, claim_id, amount in sent - ordered)
    yield from (f"付款指令 {id}（{claim_id}，{amount} 元）没有发给银行" for id, claim_id, amount in ordered - sent)
