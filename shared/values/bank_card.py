"""Bank accounts: card numbers (13 to 19 digits, Luhn check of ISO/IEC 7812-1), passbook accounts without a check."""

from typing import Final

import msgspec
from stdnum import luhn

from shared.values.rejected import Invalid

NOT_A_CARD: Final = Invalid("bank_card.not_a_card", "该号码不符合银行卡校验规则，请核对；如为存折账号可继续提交")


class AccountNumber(msgspec.Struct, frozen=True):
    """An account number of digits; `warning` is set when it cannot be a card's and may be a passbook's or a slip."""

    number: str
    warning: Invalid | None = None

    def __repr__(self) -> str:
        return f"AccountNumber({mask_account(self.number)})"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("number", mask_account(self.number))]


def parse_account_number(text: object) -> AccountNumber | Invalid:
    """Reads an account number (clause B-19); spaces are dropped. A failed Luhn check warns, it does not refuse.

    Code: `bank_card.form` (other signs than digits, fewer than 13, more than 19).
    """
    number = text.replace(" ", "") if isinstance(text, str) else ""
    if not (number.isascii() and number.isdigit() and 13 <= len(number) <= 19):
        return Invalid("bank_card.form", "请填写13至19位数字的银行卡号或账号")
    return AccountNumber(number, None if luhn.is_valid(number) else NOT_A_CARD)


def luhn_digit(payload: str) -> str:
    """The Luhn check digit that completes `payload`; raises `ValueError` if it is not all digits."""
    return str(luhn.calc_check_digit(payload))


def mask_account(number: str) -> str:
    """`**** 1234`: the last four digits; text shorter than eight is hidden whole."""
    return f"**** {number[-4:]}" if len(number) >= 8 else "****"
