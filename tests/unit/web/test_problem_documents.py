"""Problem documents: every kind of invalid input told in Chinese, by field, and never repeated."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

from shared.eventstore.decider import FieldError, Rejection
from shared.web.fields import (
    AccountNumber,
    Area,
    ClaimRef,
    Code,
    CreditCode,
    Day,
    District,
    Mobile,
    Moment,
    Money,
    Name,
    PersonRef,
    StaffText,
    Text,
)
from shared.web.problem import MEDIA_TYPE, FieldValueError, Problem, invalid_field, of_rejection, of_validation
from shared.web.routes import Body

SECRET = "310101199001011234"
CHINESE = re.compile("[一-鿿]")
ENGLISH_WORD = re.compile(r"\b(should|valid|input|field|string|must|value|date|number)\b", re.IGNORECASE)


class Colour(StrEnum):
    RED = "red"


class Inner(Body):
    n: int


def problem_of(kind: Any, value: Any) -> Problem:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(kind).validate_python(value)
    # FastAPI puts where the value stood before the place inside it.
    return of_validation([{**error, "loc": ("body", *error["loc"])} for error in raised.value.errors()])


CASES: dict[str, tuple[Any, Any, str]] = {
    "missing": (Inner, {}, "/n"),
    "extra_forbidden": (Inner, {"n": 1, "colour": SECRET}, "/colour"),
    "string_type": (str, 310101199001011234, ""),
    "string_too_short": (Annotated[str, Field(min_length=30)], SECRET, ""),
    "string_too_long": (Annotated[str, Field(max_length=3)], SECRET, ""),
    "string_pattern_mismatch": (Annotated[str, Field(pattern=r"^[a-z]$")], SECRET, ""),
    "int_type": (int, [SECRET], ""),
    "int_parsing": (int, SECRET + "x", ""),
    "int_from_float": (int, 1.5, ""),
    "bool_type": (bool, [SECRET], ""),
    "bool_parsing": (bool, SECRET, ""),
    "list_type": (list[int], SECRET, ""),
    "tuple_type": (tuple[int, ...], SECRET, ""),
    "too_short": (Annotated[list[int], Field(min_length=1)], [], ""),
    "too_long": (Annotated[list[int], Field(max_length=1)], [1, 2], ""),
    "dict_type": (dict[str, int], SECRET, ""),
    "model_type": (Inner, SECRET, ""),
    "model_attributes_type": (Annotated[BaseModel, Field()], SECRET, ""),
    "date_type": (date, [SECRET], ""),
    "date_parsing": (date, "2025-02-31" + SECRET, ""),
    "date_from_datetime_parsing": (date, SECRET + "x", ""),
    "date_from_datetime_inexact": (date, "2025-03-03T09:00:00", ""),
    "datetime_type": (datetime, [SECRET], ""),
    "datetime_parsing": (datetime, SECRET + "x", ""),
    "timezone_aware": (AwareDatetime, "2025-03-03T09:00:00", ""),
    "literal_error": (Literal["app", "window"], SECRET, ""),
    "enum": (Colour, SECRET, ""),
    "greater_than_equal": (Annotated[int, Field(ge=2)], 1, ""),
    "less_than_equal": (Annotated[int, Field(le=2)], 3, ""),
    "greater_than": (Annotated[int, Field(gt=2)], 2, ""),
    "less_than": (Annotated[int, Field(lt=2)], 2, ""),
    "decimal_parsing": (Decimal, SECRET + "x", ""),
    "uuid_parsing": (UUID, SECRET, ""),
    "union": (int | date, SECRET + "x", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_error_is_told_in_chinese_and_never_repeats_the_value(case: str) -> None:
    kind, value, pointer = CASES[case]
    problem = problem_of(kind, value)
    assert (problem.status, problem.code) == (422, "invalid_request")
    assert problem.fields
    assert pointer in {field.pointer for field in problem.fields} or case == "union"
    for field in problem.fields:
        assert CHINESE.search(field.detail), field
        assert not ENGLISH_WORD.search(field.detail), field
        assert field.code
    body = problem.response("/v1/x").body
    assert SECRET.encode() not in bytes(body)


SPECIFIC = {
    "date_from_datetime_inexact": "应为日期（YYYY-MM-DD）",
    "datetime_type": "应为时间（RFC 3339）",
    "int_from_float": "应为整数",
    "bool_parsing": "应为 true 或 false",
    "tuple_type": "应为列表",
}


@pytest.mark.parametrize("case", SPECIFIC)
def test_the_kinds_that_our_own_bodies_can_meet_say_what_is_wanted(case: str) -> None:
    kind, value, _ = CASES[case]
    assert [field.detail for field in problem_of(kind, value).fields] == [SPECIFIC[case]]


def test_the_values_that_a_field_may_have_are_listed_as_chinese_lists_them() -> None:
    def told(kind: Any) -> list[str]:
        return [field.detail for field in problem_of(kind, SECRET).fields]

    assert told(Literal["app"]) == ["只能是 app"]
    assert told(Literal["app", "window"]) == ["只能是 app 或 window"]
    assert told(Literal["app", "window", "post"]) == ["只能是 app、window 或 post"]
    assert told(Literal[1, 2]) == ["只能是 1 或 2"]


def test_a_limit_is_named_with_its_number() -> None:
    kind = Annotated[str, Field(max_length=200)]
    assert [field.detail for field in problem_of(kind, "x" * 201).fields] == ["最多 200 个字符"]
    assert [field.detail for field in problem_of(Annotated[int, Field(ge=2023)], 1).fields] == ["不能小于 2023"]


class Deep(Body):
    people: tuple[Inner, ...]
    table: dict[str, Inner]


def test_a_pointer_leads_to_the_field_however_deep_and_escapes_as_rfc_6901_wants() -> None:
    problem = problem_of(Deep, {"people": [{"n": 1}, {"n": "x"}], "table": {"a/b~c": {"n": "x"}}})
    assert [field.pointer for field in problem.fields] == ["/people/1/n", "/table/a~1b~0c/n"]


@pytest.mark.parametrize(
    ("location", "pointer"),
    [
        (("body", "a"), "/a"),
        (("query", "limit"), "query:/limit"),
        (("path", "id"), "path:/id"),
        (("body",), ""),
        ((), ""),
    ],
)
def test_a_pointer_says_where_the_field_stood(location: tuple[str, ...], pointer: str) -> None:
    problem = of_validation([{"type": "missing", "loc": location, "msg": "", "input": SECRET}])
    assert problem.fields == (FieldError(pointer, "missing", "缺少必填字段"),)


def test_bytes_that_are_no_json_are_told_so() -> None:
    error: Any = {"type": "json_invalid", "loc": ("body", 1), "msg": SECRET, "input": {}, "ctx": {"error": SECRET}}
    assert of_validation([error]).fields == (FieldError("/1", "json_invalid", "不是合法的 JSON"),)


def test_a_problem_is_a_document_of_rfc_9457() -> None:
    problem = Problem(409, "claim_exists", "已有申请", extensions={"claim_id": "clm_1"}, headers={"Retry-After": "2"})
    response = problem.response("/v1/claims")
    assert (response.status_code, response.media_type, response.headers["retry-after"]) == (409, MEDIA_TYPE, "2")
    assert msgspec.json.decode(bytes(response.body)) == {
        "type": "urn:huchuang:problem:claim_exists",
        "title": "Conflict",
        "status": 409,
        "code": "claim_exists",
        "detail": "已有申请",
        "instance": "/v1/claims",
        "claim_id": "clm_1",
    }


def test_a_rejection_becomes_the_problem_with_its_code_fields_and_extensions() -> None:
    field = FieldError("/claims", "unknown_id", "没有找到这个申请")
    rejection = Rejection(code="x", detail="不行", status=422, fields=(field,), extensions={"holds": ["death"]})
    problem = of_rejection(rejection)
    assert (problem.status, problem.code, problem.detail, problem.fields) == (422, "x", "不行", (field,))
    assert problem.extensions == {"holds": ["death"]}


def test_an_invalid_field_is_a_422_about_it() -> None:
    problem = invalid_field("/channel", "channel_not_yours", "渠道应为 window")
    assert (problem.status, problem.fields) == (422, (FieldError("/channel", "channel_not_yours", "渠道应为 window"),))


# -- field types -----------------------------------------------------------------------------------------------------

UUID7 = "0195a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"


@pytest.mark.parametrize(
    ("kind", "good"),
    [
        (PersonRef, f"per_{UUID7}"),
        (ClaimRef, f"clm_{UUID7}"),
        (Name, "欧阳𠮷"),
        (Text, "第一行，第二句。"),
        (Code, "SH2025-D1-000001"),
        (District, "310115"),
        (CreditCode, "91350100M000100Y43"),
        (Mobile, "13800138000"),
        (AccountNumber, "6222021001116245702"),
        (StaffText, "2025年3月3日的材料（DA-2025-000123）金额1800.00元，与证书SH2025-D1-000001不符"),
        (Area, "310115"),
        (Day, "2025-03-03"),
    ],
)
def test_what_is_right_is_taken(kind: Any, good: str) -> None:
    assert str(TypeAdapter(kind).validate_python(good)) == good


@pytest.mark.parametrize("text", ["2025-03-03T09:00:00+08:00", "2025-03-03T01:00:00Z", "2025-03-03t01:00:00.000z"])
def test_a_moment_is_text_of_rfc_3339(text: str) -> None:
    assert TypeAdapter(Moment).validate_python(text) == datetime(2025, 3, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(("text", "amount"), [("1800.00", "1800.00"), ("1800", "1800.00"), ("0.5", "0.50")])
def test_money_is_text_that_becomes_exact(text: str, amount: str) -> None:
    assert str(TypeAdapter(Money).validate_python(text)) == amount


@pytest.mark.parametrize(
    ("kind", "bad", "code"),
    [
        (PersonRef, f"clm_{UUID7}", "id.form"),
        (PersonRef, f"per_{UUID7.upper()}", "id.form"),
        (ClaimRef, "clm_1", "id.form"),
        (Name, "", "string_too_short"),
        (Name, " 欧阳", "text.form"),
        (Name, "欧\n阳", "text.form"),
        (Name, "欧" * 201, "string_too_long"),
        (Text, "\x00", "text.form"),
        (StaffText, "身份证310101199001011234不符", "text.personal"),
        (StaffText, "身份证 310101 19900101 123X", "text.personal"),
        (StaffText, "电话13812345678", "text.personal"),
        (StaffText, "电话 138-1234-5678", "text.personal"),
        (StaffText, "账号6222021001116245702", "text.personal"),
        (Code, "-x", "string_pattern_mismatch"),
        (Code, "a b", "string_pattern_mismatch"),
        (Code, "a\n", "string_pattern_mismatch"),
        (District, "310103", "district.retired"),
        (District, "320500", "district.unknown"),
        (CreditCode, "91350100M000100Y44", "credit_code.checksum"),
        (Mobile, "12345", "mobile.form"),
        (AccountNumber, "12345", "bank_card.form"),
        (Money, 1799, "money.not_text"),
        (Money, 1799.5, "money.not_text"),
        (Money, True, "money.not_text"),
        (Money, "-1.00", "money.negative"),
        (Money, "1.005", "money.form"),
        (Money, "1e3", "money.form"),
        (Money, None, "money.not_text"),
        (Area, "31011", "string_pattern_mismatch"),
        (Area, "310115\n", "string_pattern_mismatch"),
        (Day, 0, "date_type"),
        (Day, "0", "date_type"),
        (Day, "2025-03-03T00:00:00Z", "date_type"),
        (Day, "2025-02-30", "date_from_datetime_parsing"),
        (Moment, -414, "datetime_type"),
        (Moment, "-414", "datetime_type"),
        (Moment, "1741000000.5", "datetime_type"),
        (Moment, "2025-03-03 09:00:00Z", "datetime_type"),
        (Moment, "2025-03-03T09:00:00", "timezone_aware"),
    ],
)
def test_what_is_wrong_is_refused_with_its_code(kind: Any, bad: Any, code: str) -> None:
    problem = problem_of(kind, bad)
    assert [field.code for field in problem.fields] == [code]
    assert all(CHINESE.search(field.detail) for field in problem.fields)
    assert not bad or str(bad) not in problem.fields[0].detail


def refuse(text: str) -> str:
    raise FieldValueError("own.code", "自己的说明")


def test_a_validator_of_our_own_keeps_its_code_and_message() -> None:
    problem = problem_of(Annotated[str, AfterValidator(refuse)], SECRET)
    assert [(field.code, field.detail) for field in problem.fields] == [("own.code", "自己的说明")]


def careless(text: str) -> str:
    raise ValueError(f"cannot use {text}")


def test_a_validator_that_is_careless_does_not_repeat_the_value_either() -> None:
    problem = problem_of(Annotated[str, AfterValidator(careless)], SECRET)
    assert SECRET not in problem.fields[0].detail
