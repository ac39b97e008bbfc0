"""The payment file: what a released batch tells the bank to pay, the same bytes each time it is asked for.   (B-19)

Two forms: a text that every bank's import reads (GB 18030, comma-separated), and ISO 20022 pain.001.001.09.
"""

import csv
import io
from base64 import b64encode
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from hashlib import sha256

import msgspec

from services.subsidy.domain.payment_order import OrderId
from shared.values.ids import PaymentBatchId
from shared.values.money import format_money, total

CURRENCY = "CNY"


class PayeeLine(msgspec.Struct, frozen=True):
    """One order in clear: whom, where, how much (CNY) and for what. It never leaves memory but in a file."""

    order_id: OrderId
    holder: str
    number: str
    bank: str
    amount: Decimal
    purpose: str


class PaymentFile(msgspec.Struct, frozen=True):
    """`released_on`: Asia/Shanghai day, on which the bank is asked to pay."""

    batch_id: PaymentBatchId
    released_on: date
    lines: tuple[PayeeLine, ...]

    @property
    def total(self) -> Decimal:
        return total(line.amount for line in self.lines)


def as_csv(file: PaymentFile) -> bytes:
    """GB 18030, CRLF: first what is declared (batch, count, total, currency), then one line per order.

    A line is order number, payee's name, account number, bank, amount, purpose. GB 18030 holds every character of
    Unicode, so a name of a rare character is written as it is.
    """
    rows: list[Sequence[str]] = [(file.batch_id, str(len(file.lines)), format_money(file.total), CURRENCY)]
    rows += [
        (line.order_id, line.holder, line.number, line.bank, format_money(line.amount), line.purpose)
        for line in file.lines
    ]
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue().encode("gb18030")


def content_digest(content: bytes) -> str:
    """The value of `Content-Digest` (RFC 9530), by which the bank sees that it has the bytes that we sent."""
    return f"sha-256=:{b64encode(sha256(content).digest()).decode()}:"
