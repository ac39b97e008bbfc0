"""API documents: how operations are named, and how examples are made of schemas."""

from typing import Any

import pytest

from shared.web.document.examples import BY_NAME, example_of
from shared.web.document.naming import operation_id


@pytest.mark.parametrize(
    ("method", "path", "endpoint", "expected"),
    [
        ("get", "/v1/claims", "listed", "listClaims"),
        ("get", "/v1/claims/{claim_id}", "read", "getClaim"),
        ("post", "/v1/claims", "submit", "submitClaim"),
        ("post", "/v1/claims/{claim_id}/review", "review", "reviewClaim"),
        ("post", "/v1/claims/{claim_id}:withdraw", "withdraw", "withdrawClaim"),
        ("post", "/v1/claims:review", "review_many", "reviewClaims"),
        ("post", "/v1/persons:lookup", "lookup", "lookupPersons"),
        ("get", "/v1/policies", "all_policies", "listPolicies"),
        ("post", "/v1/whitelist/batches", "recommend", "recommendWhitelistBatch"),
        ("get", "/v1/log/streams/{stream}/attestation", "log_attestation", "getLogStreamAttestation"),
        ("get", "/v1/progress", "progress", "getProgress"),
        ("post", "/v1/clients/{client_id}/keys/{kid}:approve", "approve_key", "approveClientKey"),
    ],
)
def test_an_operation_is_named_after_its_address(method: str, path: str, endpoint: str, expected: str) -> None:
    assert operation_id(method, path, endpoint) == expected


@pytest.mark.parametrize(
    ("schema", "name", "expected"),
    [
        ({"type": "string", "examples": ["own"]}, "person_id", "own"),
        ({"type": "string"}, "person_id", BY_NAME["person_id"]),
        ({"type": "integer", "minimum": 3}, "person_id", 3),
        ({"enum": ["a", "b"]}, "status", "a"),
        ({"const": "x"}, "", "x"),
        ({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}, "", "2025-03-03"),
        ({"type": "array", "items": {"type": "boolean"}}, "", [True]),
        ({"$ref": "#/components/schemas/ShownClaim"}, "", {"id": BY_NAME["ShownClaim.id"]}),
    ],
)
def test_an_example_is_its_own_that_of_its_name_or_one_of_its_type(
    schema: dict[str, Any], name: str, expected: object
) -> None:
    components = {"ShownClaim": {"type": "object", "properties": {"id": {"type": "string"}}}}
    assert example_of(schema, components, name) == expected


def test_a_type_that_contains_itself_has_an_example_that_ends() -> None:
    tree: dict[str, Any] = {"type": "object", "properties": {"below": {"type": "array", "items": {}}}}
    tree["properties"]["below"]["items"] = {"$ref": "#/components/schemas/Tree"}
    assert example_of(tree, {"Tree": tree})["below"]
