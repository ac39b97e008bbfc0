"""Problem documents (RFC 9457): every error that leaves a service, with a stable code and a zh-CN detail."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic_core import ErrorDetails

from shared.eventstore.decider import FieldError, Rejection

MEDIA_TYPE = "application/problem+json"

_MESSAGES = {
    "missing": "缺少必填字段",
    "extra_forbidden": "不认识的字段",
    "json_invalid": "不是合法的 JSON",
    "string_type": "应为文本",
    "string_too_short": "至少需要 {min_length} 个字符",
    "string_too_long": "最多 {max_length} 个字符",
    "string_pattern_mismatch": "格式不正确",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "bool_type": "应为 true 或 false",
    "list_type": "应为列表",
    "too_short": "至少需要 {min_length} 项",
    "too_long": "最多 {max_length} 项",
    "dict_type": "应为对象",
    "model_type": "应为对象",
    "model_attributes_type": "应为对象",
    "date_type": "应为日期（YYYY-MM-DD）",
    "date_parsing": "应为日期（YYYY-MM-DD）",
    "date_from_datetime_parsing": "应为日期（YYYY-MM-DD）",
    "datetime_parsing": "应为时间（RFC 3339）",
    "datetime_from_date_parsing": "应为时间（RFC 3339）",
    "timezone_aware": "时间须带时区",
    "date_from_datetime_inexact": "应为日期（YYYY-MM-DD）",
    "datetime_type": "应为时间（RFC 3339）",
    "int_from_float": "应为整数",
    "bool_parsing": "应为 true 或 false",
    "tuple_type": "应为列表",
    "literal_error": "只能是 {expected}",
    "enum": "只能是 {expected}",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    "greater_than": "须大于 {gt}",
    "less_than": "须小于 {lt}",
}


class Problem(Exception):
    """Raise to answer with a problem document."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        fields: Sequence[FieldError] = (),
        extensions: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.fields = tuple(fields)
        self.extensions = extensions or {}
        self.headers = headers or {}

    def response(self, instance: str) -> Response:
        body: dict[str, Any] = {
            "type": f"urn:huchuang:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "instance": instance,
        }
        if self.fields:
            body["errors"] = self.fields
        body.update(self.extensions)
        return Response(msgspec.json.encode(body), self.status, media_type=MEDIA_TYPE, headers=self.headers)


def of_rejection(rejection: Rejection) -> Problem:
    """The problem document of a rejected command."""
    return Problem(
        rejection.status,
        rejection.code,
        rejection.detail,
        fields=rejection.fields,
        extensions=dict(rejection.extensions),
    )


def invalid_field(pointer: str, code: str, detail: str) -> Problem:
    """A 422 about one field."""
    return Problem(422, "invalid_request", "请求内容有误，请按提示修改", fields=[FieldError(pointer, code, detail)])


def of_validation(errors: Sequence[ErrorDetails]) -> Problem:
    """A 422 that names each field and reason; values are never repeated, they may be personal."""
    fields = [FieldError(_pointer(error), _code(error), _message(error)) for error in errors]
    return Problem(422, "invalid_request", "请求内容有误，请按提示修改", fields=fields)


def _pointer(error: ErrorDetails) -> str:
    location = list(error["loc"])
    where = str(location.pop(0)) if location else "body"
    path = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return path if where == "body" else f"{where}:{path}"


def _code(error: ErrorDetails) -> str:
    kind = error["type"]
    if kind == "value_error":
        return getattr(error.get("ctx", {}).get("error"), "code", "value")
    return "unknown_field" if kind == "extra_forbidden" else kind


def _message(error: ErrorDetails) -> str:
    context = error.get("ctx") or {}
    if error["type"] == "value_error":
        reason = context.get("error")
        return str(reason) if isinstance(reason, FieldValueError) else "内容不正确"
    template = _MESSAGES.get(error["type"], "内容不正确")
    if "expected" in context:
        context = {**context, "expected": _listed(context["expected"])}
    return template.format(**context)


def _listed(expected: str) -> str:
    """The values of `'a', 'b' or 'c'`, as a Chinese sentence lists them."""
    *others, last = (value.strip("'") for value in re.split(", | or ", expected))
    return f"{'、'.join(others)} 或 {last}" if others else last


class FieldValueError(ValueError):
    """What a field validator raises: a stable code and a zh-CN message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


async def on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response(request.url.path)
