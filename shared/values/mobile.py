"""Mobile: mainland Chinese mobile numbers, eleven digits without a country code."""

from typing import NewType

import phonenumbers

from shared.values.rejected import Invalid

MobileNumber = NewType("MobileNumber", str)


def parse_mobile(text: object) -> MobileNumber | Invalid:
    """The eleven digits of a mainland mobile number; +86, spaces and hyphens are dropped. Code: `mobile.form`."""
    refused = Invalid("mobile.form", "请填写11位中国内地手机号码")
    if not isinstance(text, str) or not text.isascii() or len(text) > 24:
        return refused
    try:
        number = phonenumbers.parse(text, "CN")
    except phonenumbers.NumberParseException:
        return refused
    national = str(number.national_number)
    if (
        number.country_code != 86
        or number.extension is not None
        or len(national) != 11
        or phonenumbers.number_type(number) != phonenumbers.PhoneNumberType.MOBILE
    ):
        return refused
    return MobileNumber(national)


def mask_mobile(number: str) -> str:
    """`138****5678`; text of any other length is hidden whole."""
    return f"{number[:3]}****{number[7:]}" if len(number) == 11 else "*" * len(number)
