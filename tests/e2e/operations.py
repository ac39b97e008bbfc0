"""Every POST of every service as its live OpenAPI document describes it, and bodies made from that."""

import copy
import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from shared.values.ids import uuid7
from tests.e2e.caller import Caller, Minter

POLICY = Path(__file__).parents[2] / "services/subsidy/policies/training-fee-subsidy-2023.json"
LEFT_OUT = frozenset({"/console/sign-out", "/oauth2/token"})
"""A page's form, and a form whose errors are OAuth's own."""

Json = dict[str, Any]
Step = str | int

VALID = {
    "identity_number": "11010519491231002X",
    "credit_code": "91350100M000100Y43",
    "mobile": "13800138000",
    "district": "310115",
    "accepting_district": "310115",
    "number": "4111111111111111",
    "organiser": "city",
}
"""Valid values of fields whose check stands in no JSON Schema."""


class Operation(NamedTuple):
    """`schema` is None for an operation that needs no body; references in it are resolved."""

    service: str
    path: str
    roles: tuple[str, ...]
    schema: Json | None

    def __str__(self) -> str:
        return f"{self.service} POST {self.path}"

    def url(self) -> str:
        """The path with ids that lead nowhere."""
        named = {"programme": "no-such-programme", "version": "none", "number": "SH1900-XX-000000", "kid": "none"}
        path = self.path
        for name in [part.split("}")[0] for part in self.path.split("{")[1:]]:
            prefix = "wlb" if self.service == "loans" and name == "batch_id" else PREFIXES.get(name, "")
            path = path.replace(f"{{{name}}}", named.get(name) or new_id(prefix))
        return path

    def body(self) -> Any:
        """A body that its schema accepts, with new ids."""
        if self.path == "/v1/policies":
            return {**json.loads(POLICY.read_bytes()), "version": "e2e"}
        return None if self.schema is None else sample("", self.schema)


PREFIXES = {
    "client_id": "cli",
    "person_id": "per",
    "consent_id": "con",
    "organisation_id": "org",
    "institution_id": "ins",
    "class_id": "cls",
    "claim_id": "clm",
    "notice_id": "ntc",
    "objection_id": "obj",
    "batch_id": "pay",
    "entry_id": "wle",
    "message_id": "msg",
    "endpoint_id": "whe",
    "attempt_id": "wha",
}


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid7()}"


async def operations(call: Caller) -> list[Operation]:
    """All of them, in the order of the documents."""
    found = []
    for service in call.endpoints.services:
        document = (await call.get(None, service, "/openapi.json")).json()
        schemas = document.get("components", {}).get("schemas", {})
        for path, methods in document["paths"].items():
            if "post" not in methods or path in LEFT_OUT:
                continue
            post = methods["post"]
            told = post.get("requestBody", {"required": False, "content": {}})
            content = told["content"].get("application/json") if told["required"] else None
            schema = None if content is None else resolved(content["schema"], schemas)
            found.append(Operation(service, path, tuple(post["x-roles"]), schema))
    return found


def resolved(schema: Any, schemas: Json) -> Any:
    """A schema with every reference replaced by what it stands for."""
    if isinstance(schema, list):
        return [resolved(item, schemas) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return resolved(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    return {key: resolved(value, schemas) for key, value in schema.items()}


def who_may(operation: Operation, call: Caller, mint: Minter) -> str:
    """A sandbox token that the operation admits, or one made for it where only services may call."""
    for name, token in call.endpoints.tokens.items():
        if any(fnmatchcase(name, pattern) for pattern in operation.roles):
            return token
    return mint(operation.roles[0].replace("*", "subsidy"), kind="system")


def who_may_not(operation: Operation, call: Caller) -> str:
    return next(
        token
        for name, token in call.endpoints.tokens.items()
        if not any(fnmatchcase(name, pattern) for pattern in operation.roles)
    )


def sample(name: str, schema: Json) -> Any:
    """A value that a schema accepts."""
    if "anyOf" in schema:
        return sample(name, next(item for item in schema["anyOf"] if item.get("type") != "null"))
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {key: sample(key, value) for key, value in schema.get("properties", {}).items()}
        case "array":
            return [sample(name, schema["items"])]
        case "integer":
            return int(schema.get("minimum", 0))
        case "boolean":
            return True
        case _:
            return _text(name, schema)


def _text(name: str, schema: Json) -> str:
    pattern = schema.get("pattern", "")
    if pattern[4:5] == "_":
        return new_id(pattern[1:4])
    if name in VALID:
        return VALID[name]
    if "examples" in schema:
        return str(schema["examples"][0])
    formats = {"date": "2025-03-03", "date-time": "2025-03-03T09:00:00+08:00"}
    known = {"area": "310115", "certificate_no": "SH1900-XX-000000", "code": "e2e"}
    return formats.get(schema.get("format", "")) or known.get(name, "测试")


class Field(NamedTuple):
    """Where a field stands, its schema, and whether it must be there."""

    where: tuple[Step, ...]
    schema: Json
    required: bool

    @property
    def pointer(self) -> str:
        return "".join(f"/{step}" for step in self.where)


def fields(schema: Json, at: tuple[Step, ...] = ()) -> Iterator[Field]:
    """Every field of a body, those of objects in it and in its lists included."""
    for name, inner in schema.get("properties", {}).items():
        where = (*at, name)
        yield Field(where, inner, name in schema.get("required", ()))
        if inner.get("type") == "object":
            yield from fields(inner, where)
        if inner.get("type") == "array" and inner["items"].get("type") == "object":
            yield from fields(inner["items"], (*where, 0))


def objects(schema: Json, at: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Where the objects of a body stand whose fields are named, the body itself first."""
    yield at
    for field in fields(schema):
        if field.schema.get("type") == "object" and "properties" in field.schema:
            yield field.where
        elif field.schema.get("type") == "array" and field.schema["items"].get("type") == "object":
            yield (*field.where, 0)


def is_text(schema: Json) -> bool:
    """Whether only a text fits (or nothing at all)."""
    if "anyOf" in schema:
        return all(is_text(item) for item in schema["anyOf"] if item.get("type") != "null")
    return schema.get("type") == "string"


_GONE = object()


def changed(body: Any, where: tuple[Step, ...], value: Any = _GONE) -> Any:
    """A copy of the body with another value at a place, or with nothing there."""
    body = copy.deepcopy(body)
    inner = body
    for step in where[:-1]:
        inner = inner[step]
    if value is _GONE:
        del inner[where[-1]]
    else:
        inner[where[-1]] = value
    return body
