"""Identity numbers of natural persons (GB 11643, and the numbers of the residence permits that follow its form).

Accepted: 公民身份号码 (18), 港澳台居民居住证 (18, area 810000, 820000 or 830000), 外国人永久居留身份证 (18, begins
with 9, since 2023-12) and its older form (3 letters + 12 digits). The 15-digit citizen's number was retired in 2013 and
is refused with a code of its own.
"""

import re
from datetime import date
from enum import StrEnum
from typing import Final

import msgspec

from shared.values.rejected import Invalid
from shared.values.sex import Sex


class IdentityKind(StrEnum):
    """What kind of document a number belongs to; `zh` is the document's name."""

    RESIDENT = "resident"
    HMT_RESIDENT = "hmt_resident"
    FOREIGN_PERMANENT = "foreign_permanent"
    FOREIGN_PERMANENT_OLD = "foreign_permanent_old"

    @property
    def zh(self) -> str:
        """The document's name, zh-CN."""
        return _ZH[self]


_ZH = {
    IdentityKind.RESIDENT: "居民身份证",
    IdentityKind.HMT_RESIDENT: "港澳台居民居住证",
    IdentityKind.FOREIGN_PERMANENT: "外国人永久居留身份证",
    IdentityKind.FOREIGN_PERMANENT_OLD: "外国人永久居留身份证（旧版）",
}


class IdentityNumber(msgspec.Struct, frozen=True):
    """A valid number and what it says: `area` is its first six digits.

    The old foreigners' form states no full birth date and no sex: `birth_date` and `area` are None, `sex` is unknown.
    Its `repr` is masked, so that a number does not reach a log by way of a traceback.
    """

    number: str
    kind: IdentityKind
    birth_date: date | None
    sex: Sex
    area: str | None

    def __repr__(self) -> str:
        return f"IdentityNumber({mask(self.number)}, {self.kind})"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("number", mask(self.number)), ("kind", self.kind.value)]


HMT_AREAS: Final = frozenset({"810000", "820000", "830000"})
# Provinces of GB/T 2260 only: areas below them are retired and redrawn, and people keep their numbers for life.
PROVINCES: Final = frozenset(
    {*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71}
)

_EIGHTEEN: Final = re.compile(r"[0-9]{17}[0-9X]", re.ASCII)
_FIFTEEN: Final = re.compile(r"[0-9]{15}", re.ASCII)
_OLD_FOREIGN: Final = re.compile(r"[A-Z]{3}[0-9]{12}", re.ASCII)
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_SIGNS: Final = "10X98765432"


def parse_identity_number(text: object, today: date) -> IdentityNumber | Invalid:
    """Reads an identity number; `today` is the Asia/Shanghai day that no birth date may lie after.

    Blanks around it are dropped, letters taken in either case. Codes: `identity_number.retired_15`,
    `identity_number.form`, `identity_number.area`, `identity_number.checksum`, `identity_number.birth_date`.
    """
    number = text.strip() if isinstance(text, str) else ""
    number = number.upper() if number.isascii() else number
    if _FIFTEEN.fullmatch(number):
        return Invalid("identity_number.retired_15", "15位居民身份证号码已于2013年停止使用，请填写18位公民身份号码")
    if _OLD_FOREIGN.fullmatch(number):
        return IdentityNumber(number, IdentityKind.FOREIGN_PERMANENT_OLD, None, Sex.UNKNOWN, None)
    if not _EIGHTEEN.fullmatch(number):
        return Invalid("identity_number.form", "证件号码格式不正确，请填写18位号码（末位可为X）")
    kind = _kind(number[:6])
    if kind is None:
        return Invalid("identity_number.area", "证件号码的地区代码不存在，请核对")
    if number[17] != check_sign(number[:17]):
        return Invalid("identity_number.checksum", "证件号码校验位不正确，请核对")
    birth_date = _date(number[6:14])
    if birth_date is None or birth_date > today:
        return Invalid("identity_number.birth_date", "证件号码中的出生日期不存在或晚于今天，请核对")
    sex = Sex.MALE if int(number[16]) % 2 else Sex.FEMALE
    return IdentityNumber(number, kind, birth_date, sex, number[:6])


def _kind(area: str) -> IdentityKind | None:
    if area.startswith("9"):
        return IdentityKind.FOREIGN_PERMANENT
    if area in HMT_AREAS:
        return IdentityKind.HMT_RESIDENT
    return IdentityKind.RESIDENT if int(area[:2]) in PROVINCES else None


def _date(eight_digits: str) -> date | None:
    try:
        return date(int(eight_digits[:4]), int(eight_digits[4:6]), int(eight_digits[6:]))
    except ValueError:
        return None


def check_sign(first_17: str) -> str:
    """The check sign (GB 11643, ISO 7064 MOD 11-2) of seventeen digits; raises `ValueError` for anything else."""
    if len(first_17) != 17:
        raise ValueError("the check sign is made from seventeen digits")
    return _CHECK_SIGNS[sum(int(digit) * weight for digit, weight in zip(first_17, _WEIGHTS, strict=True)) % 11]


def mask(number: str) -> str:
    """`310101********1234`: the birth date is always hidden, whatever kind the number is of.

    The old foreigners' form keeps its letters, the place of issue and the last two signs; a 15-digit number keeps six
    and three. Text of any other length is hidden whole.
    """
    if len(number) == 18:
        return f"{number[:6]}********{number[14:]}"
    if len(number) == 15 and number[:3].isalpha():
        return f"{number[:7]}******{number[13:]}"
    if len(number) == 15:
        return f"{number[:6]}******{number[12:]}"
    return "*" * len(number)
