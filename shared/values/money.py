"""Money: exact amounts in CNY with two places, `"1800.00"` in JSON, `Decimal` in Python, `numeric(18,2)` in SQL.

`Money` is a `Decimal` that has exactly two places. msgspec writes a `Decimal` as its text, so an event field of type
`Money` reads `"1800.00"`. Arithmetic on it is Decimal's and exact for + and -; `exact` turns a result back into `Money`
and refuses to lose a fraction of a cent, `rounded` is the one place where a fraction is given up.
"""

import re
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation
from typing import Final, NewType

from shared.values.rejected import Invalid

Money = NewType("Money", Decimal)

_CENT: Final = Decimal("0.01")
# 16 digits before the point: what numeric(18,2) holds; a quantised amount that is larger traps InvalidOperation.
_EXACT: Final = Context(prec=18, traps=[Inexact, InvalidOperation])
_HALF_UP: Final = Context(prec=18, rounding=ROUND_HALF_UP, traps=[InvalidOperation])
_TEXT: Final = re.compile(r"(-?)(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,2})?", re.ASCII)


def exact(amount: Decimal | int) -> Money:
    """`amount` in CNY as `Money`.

    Raises `ValueError` if it has a fraction of a cent, is not finite or needs more than 18 digits.
    """
    if isinstance(amount, bool | float):
        raise ValueError("money is never made from a float or a bool")
    try:
        return _without_negative_zero(_EXACT.quantize(Decimal(amount), _CENT))
    except (Inexact, InvalidOperation) as error:
        raise ValueError("not an exact amount of money with two decimal places") from error


def rounded(amount: Decimal) -> Money:
    """`amount` in CNY rounded half up to the cent; raises `ValueError` if it is not finite or needs over 18 digits."""
    if isinstance(amount, float):
        raise ValueError("money is never made from a float")
    try:
        return _without_negative_zero(_HALF_UP.quantize(amount, _CENT))
    except InvalidOperation as error:
        raise ValueError("not an amount of money") from error


def _without_negative_zero(amount: Decimal) -> Money:
    if not amount.is_finite():
        raise ValueError("money is finite")
    return Money(amount if amount else abs(amount))


ZERO: Final = exact(0)


def total(amounts: Iterable[Decimal]) -> Money:
    """The exact sum in CNY, `0.00` of none; raises `ValueError` as `exact` does."""
    return exact(sum(amounts, ZERO))


def parse_money(text: object, *, allow_negative: bool = False) -> Money | Invalid:
    """Reads an amount in CNY such as `"1800"`, `"1800.5"` or `"1800.00"`.

    Only text is taken: JSON numbers have been floats on the way. Codes: `money.not_text`, `money.form` (exponents,
    plus signs, separators, spaces, more than two places or than 16 digits before the point), `money.negative`.
    """
    if not isinstance(text, str):
        return Invalid("money.not_text", "金额须以文本填写，例如“1800.00”")
    match = _TEXT.fullmatch(text)
    if match is None:
        return Invalid("money.form", "金额格式不正确，请填写至多两位小数的数字，例如“1800.00”")
    amount = exact(Decimal(text))
    if match[1] and not allow_negative:
        return Invalid("money.negative", "金额不能为负数")
    return amount


def format_money(amount: Decimal) -> str:
    """The one text form of an amount in CNY, such as `"1800.00"`; raises `ValueError` as `exact` does."""
    return str(exact(amount))
