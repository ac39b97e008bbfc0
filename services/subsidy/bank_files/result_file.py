"""The bank's result file: GB 18030 or UTF-8, comma-separated, read strictly before anything is written.   (B-35)

First what is declared, as in the payment file (batch, count, total in CNY), then one line per order: order number,
amount, outcome, the bank's day (YYYY-MM-DD), and why it was returned. The declared count and total are compared with
the file's own lines.
"""

import csv
import io
import re
from datetime import date
from decimal import Decimal

from services.subsidy.domain.bank_results import MOST_LINES, BankLine
from services.subsidy.domain.payment_order import Outcome, reason_of
from shared.eventstore.decider import FieldError, Rejection
from shared.values.money import parse_money, total
from shared.values.rejected import Invalid

OUTCOMES: dict[str, Outcome] = {
    "paid": "paid",
    "成功": "paid",
    "returned": "returned",
    "退票": "returned",
    "unknown": "unknown",
    "待核": "unknown",
}
ENCODINGS: dict[str | None, tuple[str, ...]] = {
    None: ("utf-8-sig", "gb18030"),
    "utf-8": ("utf-8-sig",),
    "gb18030": ("gb18030",),
    "gbk": ("gb18030",),
    "gb2312": ("gb18030",),
}
MOST_BYTES = 512 * 1024
COLUMNS = 5
"""Order, amount, outcome, day, reason; the last may be left off."""

_REFERENCE = re.compile(r"[A-Za-z0-9-]{1,35}", re.ASCII)


def read_result_file(
    content: bytes, charset: str | None, batch_id: str, today: date
) -> tuple[BankLine, ...] | Rejection:
    """The lines of a file on a batch. `today`: Asia/Shanghai.

    Rejections (422): `file_encoding`, `file_form` with the line, `another_batch`, `file_totals`.
    """
    text = _text(content, charset)
    if isinstance(text, Rejection):
        return text
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error:
        return _wrong("file_form", "不是逗号分隔的文本")
    if len(rows) < 2 or len(rows) > MOST_LINES + 1:
        return _wrong("file_form", f"须有汇总行和 1 至 {MOST_LINES} 行结果")
    if rows[0][0].strip() != batch_id:
        return Rejection(code="another_batch", detail="文件首行的批次号不是本批次，整份未登记", status=422)
    lines: list[BankLine] = []
    for number, row in enumerate(rows[1:], 1):
        line = _line(number, row, today)
        if isinstance(line, Rejection):
            return line
        lines.append(line)
    return _agreeing(rows[0], tuple(lines))


def _text(content: bytes, charset: str | None) -> str | Rejection:
    """By the named charset, else by the first of UTF-8 and GB 18030 that the bytes are."""
    chosen = ENCODINGS.get(None if charset is None else charset.lower(), ())
    for encoding in chosen:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return Rejection(code="file_encoding", detail="文件须为 UTF-8 或 GB18030 编码", status=422)


def _line(number: int, row: list[str], today: date) -> BankLine | Rejection:
    cells = [cell.strip() for cell in row]
    if not 4 <= len(cells) <= COLUMNS:
        return _wrong("file_form", "须为订单号、金额、结果、日期、原因", line=number)
    reference, written, told, day, reason = [*cells, ""][:COLUMNS]
    if not _REFERENCE.fullmatch(reference):
        return _wrong("file_form", "订单号格式不正确", line=number)
    amount = parse_money(written)
    if isinstance(amount, Invalid):
        return _wrong(amount.code, amount.message, line=number)
    if told not in OUTCOMES:
        return _wrong("file_form", f"结果只能是 {'、'.join(OUTCOMES)}", line=number)
    try:
        on = date.fromisoformat(day)
    except ValueError:
        return _wrong("file_form", "日期应为 YYYY-MM-DD", line=number)
    if on > today:
        return _wrong("file_form", "日期不能晚于今天", line=number)
    return BankLine(number, reference, OUTCOMES[told], reason_of(reason), on, amount)


def _agreeing(declared: list[str], lines: tuple[BankLine, ...]) -> tuple[BankLine, ...] | Rejection:
    """The lines, if the first line says of them what they say themselves."""
    count, sum_ = (cell.strip() for cell in declared[1:3]) if len(declared) >= 3 else ("", "")
    stated = parse_money(sum_)
    found = total(line.amount or Decimal(0) for line in lines)
    if isinstance(stated, Invalid) or count != str(len(lines)) or stated != found:
        return Rejection(
            code="file_totals",
            detail=f"汇总行与明细不符：明细共 {len(lines)} 笔 {found} 元",
            status=422,
            extensions={"count": len(lines), "total": str(found)},
        )
    return lines


def _wrong(code: str, detail: str, *, line: int = 0) -> Rejection:
    """Line 0 is the one that declares the totals, and the file as a whole."""
    field = FieldError(f"/lines/{line}", code, detail)
    return Rejection(code="file_form", detail="文件内容有误，请按提示修改", status=422, fields=(field,))
