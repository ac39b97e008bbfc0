"""Reconciliation: what claims, orders and results say of one budget line's money, held against each other. (B-35)

Three accounts that are written apart: a claim's own events, the orders that its batch was released with, and the
lines that banks told. They must say the same to the cent; every difference is listed with its ids.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Literal

import msgspec

from services.subsidy.domain.bank_results import JudgedLine
from services.subsidy.domain.claim import Claim
from services.subsidy.domain.claim_payment import CARRIED
from services.subsidy.domain.payment_batch import Batch
from services.subsidy.domain.payment_order import Order, OrderId, OrderStatus, order_id
from services.subsidy.domain.recovery import Recovery
from shared.values.ids import ClaimId, PaymentBatchId

Difference = Literal[
    "order_not_in_batch", "order_not_in_claim", "amount_differs", "result_missing", "result_refused",
    "ledger_differs", "commitments_exceed_budget", "payments_exceed_commitments", "carry_over_left",
]  # fmt: skip
OpenItem = Literal["in_flight", "unknown", "recovering"]
FREED = ("rejected", "withdrawn")
ZERO = Decimal("0.00")


class Totals(msgspec.Struct, frozen=True):
    """CNY. `committed` = `paid` + `in_flight` + `unpaid`; `ordered` = `paid` + `returned` + `in_flight`.

    `paid` is net of returns, `returned` what came back of orders. `recovered`: of what this line had paid; `received`:
    what came in during this year, whichever line had paid it. `carried_in` and `carried_out`: at the years' ends.
    """

    budget: Decimal
    committed: Decimal
    ordered: Decimal
    paid: Decimal
    returned: Decimal
    in_flight: Decimal
    unpaid: Decimal
    carried_in: Decimal
    carried_out: Decimal
    recovered: Decimal
    written_off: Decimal
    received: Decimal


class Found(msgspec.Struct, frozen=True, omit_defaults=True):
    """One difference. `expected` and `found` are amounts (CNY), states or verdicts, as text.

    `digest` and `line_number` name a line of what a bank told.
    """

    difference: Difference
    claim_id: str | None = None
    order_id: str | None = None
    batch_id: str | None = None
    digest: str | None = None
    line_number: int | None = None
    expected: str | None = None
    found: str | None = None


class Open(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is under way: no difference, and to be looked at."""

    open: OpenItem
    claim_id: str
    amount: Decimal
    order_id: str | None = None
    batch_id: str | None = None
    recovery_id: str | None = None


class Reconciliation(msgspec.Struct, frozen=True):
    """`as_of`: the position of subsidy's log up to which everything is in it.

    `complete`: nothing more had happened when it was made, so that the ledger was compared as well. `balanced`: it is
    complete and there is no difference; what is open is none.
    """

    line: str
    as_of: int
    complete: bool
    balanced: bool
    claims: int
    totals: Totals
    differences: tuple[Found, ...]
    open: tuple[Open, ...]


class Accounts(msgspec.Struct, frozen=True):
    """Everything that names one line, as of one position: claims that are or were on it, and what belongs to them.

    `carried_to`: the line to which two persons have carried what is unpaid here. `ledger`: what the limits say is
    committed, CNY; None where they are not of the same position.
    """

    line: str
    budget: Decimal
    claims: Mapping[str, Claim]
    batches: Mapping[str, Batch]
    recoveries: Mapping[str, Recovery]
    received: Decimal
    ledger: Decimal | None = None
    carried_to: str | None = None


def reconciliation(accounts: Accounts, as_of: int) -> Reconciliation:
    """The accounts held against each other, as of a position of subsidy's log."""
    different = tuple(differences(accounts))
    complete = accounts.ledger is not None
    return Reconciliation(
        line=accounts.line,
        as_of=as_of,
        complete=complete,
        balanced=complete and not different,
        claims=len(accounts.claims),
        totals=totals(accounts),
        differences=different,
        open=tuple(open_items(accounts)),
    )


def totals(accounts: Accounts) -> Totals:
    here = [claim for claim in accounts.claims.values() if _committed_here(accounts.line, claim)]
    orders = [order for claim in here for order in claim.orders]
    paid = _sum(order.amount for order in orders if order.status == "paid")
    in_flight = _sum(order.amount for order in orders if order.in_flight)
    committed = _sum(claim.amount or ZERO for claim in here)
    own = [recovery for recovery in accounts.recoveries.values() if recovery.claim_id in accounts.claims]
    own = [item for item in own if _committed_here(accounts.line, accounts.claims[item.claim_id or ""])]
    return Totals(
        budget=accounts.budget,
        committed=committed,
        ordered=_sum(order.amount for order in orders),
        paid=paid,
        returned=_sum(order.amount for order in orders if order.status == "returned"),
        in_flight=in_flight,
        unpaid=committed - paid - in_flight,
        carried_in=_sum(claim.amount or ZERO for claim in here if claim.carried_from),
        carried_out=_sum(
            claim.amount or ZERO for claim in accounts.claims.values() if accounts.line in claim.carried_from
        ),
        recovered=_sum(item.received for item in own),
        written_off=_sum(item.written_off for item in own),
        received=accounts.received,
    )


def _committed_here(line: str, claim: Claim) -> bool:
    return claim.budget_line == line and claim.status not in FREED


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)


# -- differences ------------------------------------------------------------------------------------------------------


def differences(accounts: Accounts) -> list[Found]:
    """Every place where two accounts do not say the same; none when the line balances."""
    parts = (_of_line, _left_behind, _of_orders, _of_results, _refused)
    return [found for part in parts for found in part(accounts)]


def _of_line(accounts: Accounts) -> Iterator[Found]:
    said = totals(accounts)
    if accounts.ledger is not None and accounts.ledger != said.committed:
        yield Found("ledger_differs", expected=str(said.committed), found=str(accounts.ledger))
    if said.committed > accounts.budget:
        yield Found("commitments_exceed_budget", expected=str(accounts.budget), found=str(said.committed))
    if said.paid + said.in_flight > said.committed:
        yield Found("payments_exceed_commitments", expected=str(said.committed), found=str(said.paid + said.in_flight))


def _left_behind(accounts: Accounts) -> Iterator[Found]:
    """Commitments that were to be carried over and found no room."""
    for claim_id, claim in sorted(accounts.claims.items()):
        unpaid = claim.status in CARRIED and claim.batch_id is None
        if accounts.carried_to is not None and claim.budget_line == accounts.line and unpaid:
            yield Found("carry_over_left", claim_id, expected=accounts.carried_to, found=accounts.line)


def _of_orders(accounts: Accounts) -> Iterator[Found]:
    """Claims against batches, both ways."""
    for claim_id, claim in sorted(accounts.claims.items()):
        for order in claim.orders:
            yield from _sent_as_ordered(claim_id, order, accounts.batches.get(order.batch_id))
    for batch_id, batch in sorted(accounts.batches.items()):
        for sent in batch.orders:
            known = accounts.claims.get(sent.claim_id)
            if known is not None and known.order_in(PaymentBatchId(batch_id)) is None:
                yield Found("order_not_in_claim", sent.claim_id, sent.order_id, batch_id, expected=str(sent.amount))


def _sent_as_ordered(claim_id: str, order: Order, batch: Batch | None) -> Iterator[Found]:
    id = order_id(claim_id, order.attempt)
    if batch is not None and batch.released_by is not None and not batch.orders:
        # Released before batches kept their orders: what was made and not dropped was ordered.
        amounts = {item.claim_id: item.amount for item in batch.items if item.claim_id not in batch.dropped}
    else:
        amounts = {} if batch is None else {sent.claim_id: sent.amount for sent in batch.orders if sent.order_id == id}
    amount = amounts.get(ClaimId(claim_id))
    if amount is None:
        yield Found("order_not_in_batch", claim_id, id, order.batch_id, expected=str(order.amount))
    elif amount != order.amount:
        yield Found("amount_differs", claim_id, id, order.batch_id, expected=str(order.amount), found=str(amount))


def _of_results(accounts: Accounts) -> Iterator[Found]:
    """Claims against what was told of them: an end that nothing on record shows is a difference."""
    shown: dict[str, set[OrderStatus]] = {}
    for batch in accounts.batches.values():
        for told in batch.imports.values():
            for line in told.lines:
                if line.accepted and line.order_id is not None:
                    shown.setdefault(line.order_id, set()).add(line.outcome)
    for claim_id, claim in sorted(accounts.claims.items()):
        for order in claim.orders:
            id = order_id(claim_id, order.attempt)
            known = order.attested or order.status in shown.get(id, ())
            if order.status != "ordered" and not known:
                yield Found("result_missing", claim_id, id, order.batch_id, expected=order.status)


def _refused(accounts: Accounts) -> Iterator[Found]:
    """Lines of which nothing was made, those that name no order of this line too, until they are explained."""
    ends = {
        order_id(claim_id, order.attempt): order.status
        for claim_id, claim in accounts.claims.items()
        for order in claim.orders
    }
    for batch_id, batch in sorted(accounts.batches.items()):
        for digest, told in batch.imports.items():
            for number, line in told.refused.items():
                if number in told.cleared or _borne_out(line, ends.get(line.order_id or OrderId(""))):
                    continue
                yield Found(
                    "result_refused",
                    order_id=line.order_id,
                    batch_id=batch_id,
                    digest=digest,
                    line_number=number,
                    expected=line.outcome,
                    found=line.verdict,
                )


def _borne_out(line: JudgedLine, end: OrderStatus | None) -> bool:
    """Whether the order has since ended as the line says, so that nobody need look into the line."""
    return line.verdict in ("not_in_batch", "contradicts_itself") and line.outcome == end


def open_items(accounts: Accounts) -> list[Open]:
    """Orders whose end is not known, and money that is still to come back."""
    found: list[Open] = []
    for claim_id, claim in sorted(accounts.claims.items()):
        for order in claim.orders:
            if order.in_flight:
                kind: OpenItem = "unknown" if order.status == "unknown" else "in_flight"
                id = order_id(claim_id, order.attempt)
                found.append(Open(kind, claim_id, order.amount, id, order.batch_id))
    for recovery_id, recovery in sorted(accounts.recoveries.items()):
        if recovery.status == "recovering":
            found.append(Open("recovering", recovery.claim_id or "", recovery.owed, recovery_id=recovery_id))
    return found


def batches_of(claims: Iterable[Claim]) -> Sequence[str]:
    """The batches that these claims were ordered in."""
    return sorted({order.batch_id for claim in claims for order in claim.orders})
