"""The edge of every service: who may call each route, what it is for, and that bodies refuse what they do not know."""

from collections.abc import Iterator
from typing import Any

import pytest

from shared.web.caller import PUBLIC
from shared.web.routes import GuardedRoute
from tests.contract.events.tree import definitions
from tests.contract.routes.documents import SERVICES, application

OPEN_BODIES = {("subsidy", "/v1/policies")}
"""A policy document, whose vocabulary the domain checks itself and refuses what it does not know."""
KINDS = {
    "app", "bank", "carrier", "institution", "evaluator", "district", "city", "finance", "policy", "auditor", "ops",
    "service", PUBLIC,
}  # fmt: skip

OAUTH_ERRORS = ("400", "401")
"""The token endpoint's own errors have the form of RFC 6749 section 5.2."""

Operation = dict[str, Any]


def operations(service: str) -> Iterator[tuple[str, str, Operation]]:
    for path, item in application(service).openapi()["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


OPERATIONS = [
    pytest.param(service, method, path, operation, id=f"{service}: {method.upper()} {path}")
    for service in SERVICES
    for method, path, operation in operations(service)
]
VERSIONED = [param for param in OPERATIONS if str(param.values[2]).startswith("/v1/")]
POSTS = [param for param in VERSIONED if param.values[1] in ("post", "put", "patch", "delete")]


def test_the_six_services_are_all_here() -> None:
    assert set(SERVICES) == set(definitions())
    assert {str(param.values[0]) for param in VERSIONED} == set(SERVICES)


@pytest.mark.parametrize(("service", "method", "path", "operation"), VERSIONED)
def test_a_route_says_whom_it_admits(service: str, method: str, path: str, operation: Operation) -> None:
    roles = operation.get("x-roles")
    assert roles
    assert {role.partition(":")[0].partition("/")[0] for role in roles} <= KINDS
    assert bool(operation["security"]) == (PUBLIC not in roles)


@pytest.mark.parametrize(("service", "method", "path", "operation"), POSTS)
def test_only_who_is_known_changes_anything(service: str, method: str, path: str, operation: Operation) -> None:
    assert PUBLIC not in operation["x-roles"]


@pytest.mark.parametrize(("service", "method", "path", "operation"), OPERATIONS)
def test_a_route_says_in_chinese_what_it_is_for(service: str, method: str, path: str, operation: Operation) -> None:
    assert any("一" <= sign <= "鿿" for sign in operation.get("summary", "")), operation.get("summary")
    assert operation.get("tags")


@pytest.mark.parametrize(("service", "method", "path", "operation"), OPERATIONS)
def test_errors_are_declared_as_problem_documents(service: str, method: str, path: str, operation: Operation) -> None:
    own = OAUTH_ERRORS if path == "/oauth2/token" else ()
    refusals = {
        status: answer for status, answer in operation["responses"].items() if status >= "4" and status not in own
    }
    assert "503" in refusals
    for status, answer in refusals.items():
        content = resolved(service, answer)["content"]
        assert list(content) == ["application/problem+json"], status
        assert content["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}


def resolved(service: str, schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        kind, name = schema["$ref"].split("/")[2:]
        schema = application(service).openapi()["components"][kind][name]
    return schema


def objects(service: str, schema: dict[str, Any], seen: frozenset[str] = frozenset()) -> Iterator[dict[str, Any]]:
    """Every object with named fields in a schema, however deep."""
    if (ref := schema.get("$ref")) is not None:
        if ref in seen:
            return
        seen |= {ref}
    schema = resolved(service, schema)
    if "properties" in schema:
        yield schema
    parts = [*schema.get("properties", {}).values(), *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    parts += [schema[name] for name in ("items", "additionalProperties") if isinstance(schema.get(name), dict)]
    for part in (*parts, *schema.get("prefixItems", ())):
        yield from objects(service, part, seen)


@pytest.mark.parametrize(("service", "method", "path", "operation"), POSTS)
def test_a_body_refuses_fields_that_it_does_not_know(
    service: str, method: str, path: str, operation: Operation
) -> None:
    body = operation.get("requestBody")
    if body is None or (service, path) in OPEN_BODIES:
        return
    content = body["content"].get("application/json") or next(iter(body["content"].values()))
    found = list(objects(service, content["schema"]))
    assert found
    for schema in found:
        assert schema.get("additionalProperties") is False, schema.get("title")


def test_the_only_open_body_is_the_policy_document() -> None:
    for service, path in OPEN_BODIES:
        operation = application(service).openapi()["paths"][path]["post"]
        schema = resolved(service, operation["requestBody"]["content"]["application/json"]["schema"])
        assert schema["additionalProperties"] is True


@pytest.mark.parametrize("service", SERVICES)
def test_every_router_guards_its_routes_also_those_that_are_not_in_the_documents(service: str) -> None:
    for router in definitions()[service].routers:
        assert router.routes
        assert all(isinstance(route, GuardedRoute) for route in router.routes)


@pytest.mark.parametrize("service", SERVICES)
def test_the_clock_moves_in_the_sandbox_only(service: str) -> None:
    assert "/v1/sandbox/clock" in application(service).openapi()["paths"]
    assert not [path for path in application(service, "production").openapi()["paths"] if "sandbox" in path]


@pytest.mark.parametrize(("service", "method", "path", "operation"), OPERATIONS)
def test_no_identity_number_is_ever_part_of_an_address(
    service: str, method: str, path: str, operation: Operation
) -> None:
    names = {resolved(service, parameter)["name"] for parameter in operation.get("parameters", ())}
    assert not names & {"identity_number", "id_number", "name", "mobile", "account"}
