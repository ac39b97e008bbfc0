"""What a bank tells of orders, line by line: read from its file by others, judged here.   (B-19, B-35)

Each line stands on its own. What is not ours, of another batch, told twice or contradicts what is known changes
nothing, and is on record with the line's number.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from services.subsidy.domain.claim import Claim
from services.subsidy.domain.claim_payment import SettlePayment, decide_payment
from services.subsidy.domain.payment_order import (
    RETURN_REASONS,
    Order,
    OrderId,
    Outcome,
    ReturnReason,
    named_by,
    order_id,
)
from shared.eventstore.decider import Event, Rejection
from shared.values.ids import ClaimId, PaymentBatchId

Source = Literal["json", "csv"]
Verdict = Literal[
    "recorded", "already_recorded", "twice", "contradicts_itself", "not_ours", "not_in_batch", "amount_differs",
    "wrong_state", "recovery_open",
]  # fmt: skip
MOST_LINES = 1000


class BankLine(msgspec.Struct, frozen=True):
    """A line as it was read. `line` counts from 1; `amount` in CNY, None where the source has none."""

    line: int
    order_id: str
    outcome: Outcome
    reason: ReturnReason
    on: date
    amount: Decimal | None = None


class JudgedLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line and what was made of it. `order_id` is None where its number is no order's: that is not kept."""

    line: int
    verdict: Verdict
    outcome: Outcome
    order_id: OrderId | None = None
    amount: Decimal | None = None

    @property
    def accepted(self) -> bool:
        return self.verdict in ("recorded", "already_recorded")


class Judged(NamedTuple):
    line: JudgedLine
    claim_id: ClaimId | None
    events: Sequence[Event]


def doubled(lines: Sequence[BankLine]) -> dict[int, Verdict]:
    """The lines that name an order again: a repetition is passed over, and of different ends none is believed."""
    told: dict[str, list[BankLine]] = {}
    for line in lines:
        told.setdefault(line.order_id, []).append(line)
    found: dict[int, Verdict] = {}
    for same in told.values():
        if len({(line.outcome, line.amount) for line in same}) > 1:
            found |= {line.line: "contradicts_itself" for line in same}
        else:
            found |= {line.line: "twice" for line in same[1:]}
    return found


def judge(line: BankLine, double: Verdict | None, batch_id: PaymentBatchId, claims: Mapping[str, Claim]) -> Judged:
    """One line, by the claims as they stand. `claims` holds every claim that a line names, and exists."""
    named = named_by(line.order_id)
    claim = claims.get(named.claim_id) if named is not None else None
    order = _order(claim, named.attempt) if claim is not None and named is not None else None
    if named is None or claim is None or order is None:
        meant = None if named is None else order_id(*named)
        return Judged(JudgedLine(line.line, "not_ours", line.outcome, meant, line.amount), None, ())
    verdict, events = _settled(line, order, batch_id, claim) if double is None else (double, ())
    known = order_id(named.claim_id, order.attempt)
    return Judged(JudgedLine(line.line, verdict, line.outcome, known, line.amount), named.claim_id, events)


def _order(claim: Claim, attempt: int) -> Order | None:
    return claim.orders[attempt - 1] if attempt <= len(claim.orders) else None


def _settled(line: BankLine, order: Order, batch_id: PaymentBatchId, claim: Claim) -> tuple[Verdict, Sequence[Event]]:
    if order.batch_id != batch_id:
        return "not_in_batch", ()
    if line.amount is not None and line.amount != order.amount:
        return "amount_differs", ()
    settlement = SettlePayment(batch_id, line.outcome, RETURN_REASONS[line.reason], line.on)
    decision = decide_payment(settlement, claim)
    if isinstance(decision, Rejection):
        return ("recovery_open" if decision.code == "recovery_open" else "wrong_state"), ()
    return ("recorded" if decision else "already_recorded"), decision


def in_all(lines: Sequence[JudgedLine]) -> Counter[Verdict]:
    """How many lines came out how."""
    return Counter(line.verdict for line in lines)
