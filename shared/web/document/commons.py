"""What the documents of all services share: problems, headers, parameters, sign-in and the words for tags."""

from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

PROBLEM_MEDIA_TYPE = "application/problem+json"

_ALL: Json = yaml.safe_load(Path(__file__).with_name("commons.yaml").read_text(encoding="utf-8"))
INFO: str = _ALL["info"]
SCHEMAS: Json = _ALL["schemas"]
HEADERS: Json = _ALL["headers"]
PARAMETERS: Json = _ALL["parameters"]
SECURITY_SCHEMES: Json = _ALL["security_schemes"]
TAGS: dict[str, str] = _ALL["tags"]
REFUSALS: dict[int, Json] = _ALL["refusals"]
"""By status: the component's name, what it means, and a code and detail for the example."""

SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"oauth2": []}]
OF_ALL = ("X-Correlation-Id", "RateLimit", "RateLimit-Policy")
PARAMETERS_OF = {
    "plain": (),
    "resource": ("If-None-Match",),
    "list": ("limit", "cursor", "Consistency-Token"),
    "command": ("Idempotency-Key", "If-Match"),
}


def refusal_reference(status: int) -> Json:
    return {"$ref": f"#/components/responses/{REFUSALS[status]['name']}"}


def refusal(status: int) -> Json:
    """The response component of a status."""
    told = REFUSALS[status]
    example = {
        "type": f"urn:huchuang:problem:{told['code']}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": told["code"],
        "detail": told["detail"],
        "instance": "/v1/claims",
    }
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}}
    return {"description": told["meaning"], "headers": header_references(told["headers"]), "content": content}


def header_references(names: Iterable[str]) -> Json:
    """Headers of a response by name; each answer carries the correlation id, and what is left of the caller's rate."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*OF_ALL, *names)}
