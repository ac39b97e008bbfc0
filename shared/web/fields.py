"""Field types of request bodies: each validates by the project's own values and says in Chinese what is wrong."""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

from shared.values.bank_card import parse_account_number
from shared.values.credit_code import parse_credit_code
from shared.values.districts import parse_district
from shared.values.ids import parse_id
from shared.values.mobile import parse_mobile
from shared.values.money import parse_money
from shared.values.rejected import Invalid
from shared.web.problem import FieldValueError


def checked(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A pydantic validator from a parser that returns a value or an `Invalid`."""

    def check(value: Any) -> Any:
        parsed = parse(value)
        if isinstance(parsed, Invalid):
            raise FieldValueError(parsed.code, parsed.message)
        return parsed

    return check


def _id_check(prefix: str) -> AfterValidator:
    def check(text: str) -> str:
        found = parse_id(prefix, text)
        if isinstance(found, Invalid):
            raise FieldValueError(found.code, found.message)
        return found

    return AfterValidator(check)


def _id_schema(prefix: str) -> WithJsonSchema:
    pattern = rf"^{prefix}_[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$"
    return WithJsonSchema({"type": "string", "pattern": pattern})


PersonRef = Annotated[str, _id_check("per"), _id_schema("per")]
OrganisationRef = Annotated[str, _id_check("org"), _id_schema("org")]
ClaimRef = Annotated[str, _id_check("clm"), _id_schema("clm")]
InstitutionRef = Annotated[str, _id_check("ins"), _id_schema("ins")]
ProjectRef = Annotated[str, _id_check("prj"), _id_schema("prj")]
ClassRef = Annotated[str, _id_check("cls"), _id_schema("cls")]
ConsentRef = Annotated[str, _id_check("con"), _id_schema("con")]


def _account(text: str) -> str:
    found = parse_account_number(text)
    if isinstance(found, Invalid):
        raise FieldValueError(found.code, found.message)
    return str(found.number)


def _clean(text: str) -> str:
    if text != text.strip() or any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise FieldValueError("text.form", "首尾不能有空格，且不能含控制字符")
    return text


def _written(form: str, code: str, message: str) -> Callable[[Any, ValidatorFunctionWrapHandler], Any]:
    """Times come as text of one form: pydantic alone would take a number, in text too, for seconds since 1970."""

    def check(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
        if not isinstance(value, str | date | None):
            raise FieldValueError(code, message)
        made = read(value)
        if isinstance(value, str) and not re.fullmatch(form, value, re.ASCII):
            raise FieldValueError(code, message)
        return made

    return check


_NUMBERS = re.compile(r"(?<![0-9])(?:[1-9](?:[ -]?[0-9]){13,18}[Xx]?|1[3-9][0-9](?:[ -]?[0-9]{4}){2})(?![0-9])")
"""Identity and account numbers of fourteen digits and more, and mobile numbers, spaced or not."""


def _without_numbers(text: str) -> str:
    if _NUMBERS.search(text):
        raise FieldValueError("text.personal", "不能写入证件号码、手机号码或银行账号，请改写材料编号")
    return text


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_clean)]
Text = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_clean)]
StaffText = Annotated[Text, AfterValidator(_without_numbers)]
"""What staff write into an event, where it stands in clear for good: no number of a person's may be in it."""
Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]
District = Annotated[str, AfterValidator(checked(parse_district))]
CreditCode = Annotated[str, AfterValidator(checked(parse_credit_code))]
Mobile = Annotated[str, AfterValidator(checked(parse_mobile))]
AccountNumber = Annotated[str, AfterValidator(_account), Field(examples=["4111111111111111"])]
Money = Annotated[
    Decimal,
    BeforeValidator(checked(parse_money)),
    WithJsonSchema({"type": "string", "pattern": r"^(0|[1-9][0-9]{0,15})(\.[0-9]{1,2})?$", "examples": ["1800.00"]}),
]
Area = Annotated[str, Field(pattern=r"^[1-9][0-9]{5}$")]
_DAY = r"\d{4}-\d\d-\d\d"
_MOMENT = rf"{_DAY}[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)"
Day = Annotated[date, WrapValidator(_written(_DAY, "date_type", "应为日期（YYYY-MM-DD）"))]
Moment = Annotated[AwareDatetime, WrapValidator(_written(_MOMENT, "datetime_type", "应为时间（RFC 3339）"))]
