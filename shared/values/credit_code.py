"""Unified social credit codes (统一社会信用代码, GB 32100-2015): 18 signs of an alphabet without I, O, S, V, Z."""

from typing import Final, NewType

from stdnum.cn import uscc

from shared.values.rejected import Invalid

CreditCode = NewType("CreditCode", str)

ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def parse_credit_code(text: object) -> CreditCode | Invalid:
    """The code in capitals; blanks around it are dropped.

    Codes: `credit_code.length`, `credit_code.form` (a sign outside the alphabet, or letters in the area),
    `credit_code.checksum`.
    """
    code = text.strip() if isinstance(text, str) else ""
    code = code.upper() if code.isascii() else code
    if len(code) != 18:
        return Invalid("credit_code.length", "统一社会信用代码应为18位")
    if any(sign not in ALPHABET for sign in code) or not code[2:8].isdigit():
        return Invalid("credit_code.form", "统一社会信用代码含有不允许的字符（不使用 I、O、S、V、Z）")
    if code[17] != check_sign(code[:17]):
        return Invalid("credit_code.checksum", "统一社会信用代码校验位不正确，请核对")
    return CreditCode(code)


def registering_area(code: CreditCode) -> str:
    """The six-digit GB/T 2260 area of the registering authority; it may be retired, or city-wide such as 310000."""
    return code[2:8]


def check_sign(first_17: str) -> str:
    """The check sign: weight 3^i mod 31, (31 - sum mod 31) mod 31; raises `ValueError` outside the alphabet."""
    return str(uscc.calc_check_digit(first_17))
