"""Districts: the sixteen of Shanghai (GB/T 2260), and the retired ones that old numbers still carry."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

from shared.values.rejected import Invalid


class District(StrEnum):
    """One of the sixteen; the value is its GB/T 2260 code, `zh` its name."""

    HUANGPU = "310101"
    XUHUI = "310104"
    CHANGNING = "310105"
    JINGAN = "310106"
    PUTUO = "310107"
    HONGKOU = "310109"
    YANGPU = "310110"
    MINHANG = "310112"
    BAOSHAN = "310113"
    JIADING = "310114"
    PUDONG = "310115"
    JINSHAN = "310116"
    SONGJIANG = "310117"
    QINGPU = "310118"
    FENGXIAN = "310120"
    CHONGMING = "310151"

    @property
    def zh(self) -> str:
        """The district's name, zh-CN."""
        return _ZH[self]


_ZH = {
    District.HUANGPU: "黄浦区",
    District.XUHUI: "徐汇区",
    District.CHANGNING: "长宁区",
    District.JINGAN: "静安区",
    District.PUTUO: "普陀区",
    District.HONGKOU: "虹口区",
    District.YANGPU: "杨浦区",
    District.MINHANG: "闵行区",
    District.BAOSHAN: "宝山区",
    District.JIADING: "嘉定区",
    District.PUDONG: "浦东新区",
    District.JINSHAN: "金山区",
    District.SONGJIANG: "松江区",
    District.QINGPU: "青浦区",
    District.FENGXIAN: "奉贤区",
    District.CHONGMING: "崇明区",
}

SHANGHAI_PROVINCE: Final = "31"
"""The first two digits of every Shanghai area code."""


class RetiredDistrict(msgspec.Struct, frozen=True):
    """A district or county that no longer exists, and the one that took its place."""

    code: str
    zh: str
    successor: District


RETIRED: Final[Mapping[str, RetiredDistrict]] = MappingProxyType(
    {
        retired.code: retired
        for retired in (
            RetiredDistrict("310103", "卢湾区", District.HUANGPU),
            RetiredDistrict("310108", "闸北区", District.JINGAN),
            RetiredDistrict("310119", "南汇区", District.PUDONG),
            RetiredDistrict("310225", "南汇县", District.PUDONG),
            RetiredDistrict("310226", "奉贤县", District.FENGXIAN),
            RetiredDistrict("310230", "崇明县", District.CHONGMING),
        )
    }
)
"""Retired code to what it was; seen inside identity numbers and credit codes, never accepted as a district today."""


def parse_district(text: object) -> District | Invalid:
    """One of the sixteen by its code. Codes: `district.retired` (with its successor's name), `district.unknown`."""
    if isinstance(text, str):
        if text in _BY_CODE:
            return _BY_CODE[text]
        if text in RETIRED:
            return Invalid("district.retired", f"该区划已撤销，请改用{RETIRED[text].successor.zh}")
    return Invalid("district.unknown", "不是本市十六个区之一的区划代码")


def district_of_area(area: str) -> District | None:
    """The district that stands today for a six-digit area code, a retired one's successor, or None outside the sixteen.

    City-wide area codes inside credit codes (such as 310000) name no district: take the registered district then.
    """
    retired = RETIRED.get(area)
    return retired.successor if retired else _BY_CODE.get(area)


_BY_CODE: Final[Mapping[str, District]] = MappingProxyType({district.value: district for district in District})
