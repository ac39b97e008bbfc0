"""Payment order: one attempt to pay one claim, under an id that the bank can tell a repetition by.   (B-19, B-35)

An order's id is a function of its claim and attempt, so it is the same in every copy of a file, and whoever has it
knows which claim it pays. It has 35 characters, which is what ISO 20022 allows an `EndToEndId`.
"""

import re
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple, NewType

import msgspec

from shared.values.ids import ClaimId, PaymentBatchId

OrderId = NewType("OrderId", str)
Outcome = Literal["paid", "returned", "unknown"]
OrderStatus = Literal["ordered", "paid", "returned", "unknown"]
ReturnReason = Literal["name_differs", "account_unknown", "account_closed", "account_frozen", "other"]

MOST_ATTEMPTS = 99
"""What two digits of an order's id can count."""

RETURN_REASONS: dict[ReturnReason, str] = {
    "name_differs": "户名不符",
    "account_unknown": "账号不存在",
    "account_closed": "账户已销户",
    "account_frozen": "账户冻结或止付",
    "other": "其他原因，见银行回单",
}
"""Why a bank sends money back. Its own words may name people, so they stay in its file and never come into events."""

_ISO_REASONS: dict[str, ReturnReason] = {
    "BE01": "name_differs",
    "AC01": "account_unknown",
    "AC03": "account_unknown",
    "AC04": "account_closed",
    "AC06": "account_frozen",
}
"""ExternalStatusReason1Code of ISO 20022, as far as it has a word here."""

_FORM = re.compile(r"([0-9a-f]{32})-([0-9]{2})", re.ASCII)


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """One attempt: in which batch, how much (CNY), and how it has ended. `ended_on`: Asia/Shanghai day.

    `attested`: people have shown evidence of this end.
    """

    attempt: int
    batch_id: PaymentBatchId
    amount: Decimal
    status: OrderStatus = "ordered"
    ended_on: date | None = None
    attested: bool = False

    @property
    def in_flight(self) -> bool:
        return self.status in ("ordered", "unknown")


class Named(NamedTuple):
    """What an order's id says."""

    claim_id: ClaimId
    attempt: int


def order_id(claim_id: str, attempt: int) -> OrderId:
    """The id of a claim's order: the claim's UUID without hyphens, and the attempt. Always the same one."""
    return OrderId(f"{claim_id.partition('_')[2].replace('-', '')}-{attempt:02}")


def named_by(text: str) -> Named | None:
    """The claim and attempt that an order's id names; None for what is no order's id."""
    found = _FORM.fullmatch(text)
    if found is None or found[2] == "00":
        return None
    digits = found[1]
    uuid = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return Named(ClaimId(f"clm_{uuid}"), int(found[2]))


def reason_of(text: str) -> ReturnReason:
    """The word for a bank's reason: our own code or its Chinese, or a code of ISO 20022; all else is `other`."""
    stated = text.strip()
    for code, words in RETURN_REASONS.items():
        if stated in (code, words):
            return code
    return _ISO_REASONS.get(stated.upper(), "other")


def after(order: Order, outcome: Outcome, on: date) -> OrderStatus | None:
    """How an order stands after an outcome of the bank's day `on`; None where it contradicts what is known.

    Results come twice and out of order: what is known stands, and nobody who knows the end is told again that it is
    unknown. Money that was paid may come back (退票), and the payment may be told after the return; money that came
    back is paid by a new order only.
    """
    match order.status:
        case "ordered" | "unknown":
            return outcome
        case "paid" if outcome == "returned":
            return "returned"
        case "returned" if outcome == "paid" and (order.ended_on is None or on >= order.ended_on):
            return None
        case known:
            return known
