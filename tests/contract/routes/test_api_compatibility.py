"""Which changes of an API document break those who call by it, rule by rule."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from shared.contracts.api_compatibility import breaking

Json = dict[str, Any]
Change = Callable[[Json], object]

BODY: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 20},
        "kind": {"enum": ["a", "b"], "type": "string"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
}
SHOWN: Json = {
    "type": "object",
    "required": ["id", "kind"],
    "properties": {
        "id": {"type": "string"},
        "kind": {"enum": ["a", "b"]},
        "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Shown"}},
    },
}
OLD: Json = {
    "paths": {
        "/v1/things": {
            "post": {
                "operationId": "makeThing",
                "x-roles": ["city", "ops"],
                "parameters": [{"in": "query", "name": "dry", "schema": {"type": "boolean"}}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": BODY}}},
                "responses": {
                    "201": {
                        "headers": {"ETag": {}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Shown"}}},
                    }
                },
            }
        }
    },
    "components": {"schemas": {"Shown": SHOWN}},
}


def post(document: Json) -> Json:
    found: Json = document["paths"]["/v1/things"]["post"]
    return found


def body(document: Json) -> Json:
    found: Json = post(document)["requestBody"]["content"]["application/json"]["schema"]
    return found


def shown(document: Json) -> Json:
    found: Json = document["components"]["schemas"]["Shown"]
    return found


FINE: dict[str, Change] = {
    "the same": lambda d: None,
    "another operation": lambda d: d["paths"].update({"/v1/more": post(d)}),
    "another role": lambda d: post(d)["x-roles"].append("auditor"),
    "a new parameter that may be left out": lambda d: post(d)["parameters"].append(
        {"in": "query", "name": "more", "schema": {"type": "string"}}
    ),
    "a new field that may be left out": lambda d: body(d)["properties"].update(more={"type": "string"}),
    "what was required need not be sent": lambda d: body(d).update(required=[]),
    "one more value is taken": lambda d: body(d)["properties"]["kind"]["enum"].append("c"),
    "longer text is taken": lambda d: body(d)["properties"]["name"].update(maxLength=99),
    "an answer says more": lambda d: shown(d)["properties"].update(more={"type": "string"}),
    "an answer knows one more value": lambda d: shown(d)["properties"]["kind"]["enum"].append("c"),
    "an answer always says what it may have said": lambda d: shown(d)["required"].append("parts"),
}
BROKEN: dict[str, tuple[Change, str]] = {
    "the operation is gone": (lambda d: d["paths"].clear(), "the operation is gone"),
    "another name": (lambda d: post(d).update(operationId="createThing"), "operationId was makeThing"),
    "a role is gone": (lambda d: post(d)["x-roles"].remove("ops"), "the role ops is not admitted"),
    "signatures are demanded": (lambda d: post(d).update({"x-signed": ["bank:*"]}), "must be signed now"),
    "a parameter is gone": (lambda d: post(d).update(parameters=[]), "query:dry: the parameter is gone"),
    "a parameter is required": (lambda d: post(d)["parameters"][0].update(required=True), "is required now"),
    "a new parameter is required": (
        lambda d: post(d)["parameters"].append({"in": "query", "name": "x", "required": True, "schema": {}}),
        "query:x: a new parameter must not be required",
    ),
    "a field that was sent is gone": (lambda d: body(d)["properties"].pop("note"), "body/note: the field is gone"),
    "a field is required": (lambda d: body(d)["required"].append("kind"), "body/kind: the field is required now"),
    "a new field is required": (
        lambda d: (body(d)["properties"].update(x={"type": "string"}), body(d)["required"].append("x")),
        "body/x: a new field must not be required",
    ),
    "a value is not taken": (lambda d: body(d)["properties"]["kind"]["enum"].remove("b"), "'b' is not taken"),
    "text must be longer": (lambda d: body(d)["properties"]["name"].update(minLength=2), "minLength was 1 and is 2"),
    "text must be shorter": (lambda d: body(d)["properties"]["name"].update(maxLength=9), "maxLength was 20 and is 9"),
    "text has a form": (lambda d: body(d)["properties"]["name"].update(pattern="x"), "pattern was None and is x"),
    "another type is wanted": (
        lambda d: body(d)["properties"]["name"].update(type="integer"),
        "the type was string and is integer",
    ),
    "null is not taken": (
        lambda d: body(d)["properties"].update(note={"type": "string"}),
        "body/note: could be null and cannot any more",
    ),
    "the answer's status is another": (
        lambda d: post(d).update(responses={"200": post(d)["responses"]["201"]}),
        "201: the answer is gone",
    ),
    "a header is gone": (lambda d: post(d)["responses"]["201"].update(headers={}), "the header ETag is gone"),
    "the media type is another": (
        lambda d: post(d)["responses"]["201"].update(content={"text/html": {}}),
        "application/json is gone",
    ),
    "a field of the answer is gone": (lambda d: shown(d)["properties"].pop("id"), "201/id: the field is gone"),
    "a field of the answer may be missing": (lambda d: shown(d).update(required=["id"]), "201/kind: the field was"),
    "a field of the answer is of another type": (
        lambda d: shown(d)["properties"].update(id={"type": "integer"}),
        "201/id: the type was string and is integer",
    ),
    "a field of the answer may be null": (
        lambda d: shown(d)["properties"].update(id={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        "201/id: can now be null as well",
    ),
}


@pytest.mark.parametrize("case", FINE)
def test_what_a_caller_does_not_notice_is_compatible(case: str) -> None:
    new = deepcopy(OLD)
    FINE[case](new)
    assert breaking(OLD, new) == []


@pytest.mark.parametrize("case", BROKEN)
def test_what_breaks_a_caller_is_a_finding_that_says_where(case: str) -> None:
    change, expected = BROKEN[case]
    new = deepcopy(OLD)
    change(new)
    findings = breaking(OLD, new)
    assert any(expected in finding for finding in findings), findings
