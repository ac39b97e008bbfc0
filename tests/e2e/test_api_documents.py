"""The live API documents: every read of the demo city answers what is declared, every example is understood."""

from typing import Any

import pytest

from deploy.local.demo.run import Outcome
from shared.web.problem import _MESSAGES
from tests.e2e.caller import Caller, Minter
from tests.e2e.declared import Declared
from tests.e2e.operations import Operation, who_may
from tests.e2e.realistic import known_ids

pytestmark = pytest.mark.stack

FORMS = {*_MESSAGES, "unknown_field", "value", "text.form"}
"""What a field's error says when its form is wrong, whatever it means."""
LEAST_READS, LEAST_EXAMPLES = 100, 35


async def documents(call: Caller) -> dict[str, dict[str, Any]]:
    return {name: (await call.get(None, name, "/openapi.json")).json() for name in call.endpoints.services}


def role_for(service: str, path: str, operation: dict[str, Any], call: Caller, mint: Minter) -> str | None:
    roles = tuple(operation["x-roles"])
    return None if "public" in roles else who_may(Operation(service, path, roles, None), call, mint)


async def test_every_read_answers_what_its_document_declares(demonstrated: Outcome, call: Caller, mint: Minter) -> None:
    known = await known_ids(call)
    findings, answered = [], 0
    for service, document in (await documents(call)).items():
        declared = Declared(document)
        for path, item in document["paths"].items():
            if "get" not in item:
                continue
            role = role_for(service, path, item["get"], call, mint)
            for url in known.urls(service, path, item["get"]):
                answer = await call.get(role, service, url)
                answered += answer.is_success
                findings += declared.findings("get", path, answer)
    assert not findings, "\n".join(findings)
    assert answered >= LEAST_READS, answered


async def test_every_example_of_a_body_is_understood(demonstrated: Outcome, call: Caller, mint: Minter) -> None:
    """A rule may refuse it, since its ids lead nowhere; but no field's form is wrong."""
    findings, sent = [], 0
    for service, document in (await documents(call)).items():
        declared = Declared(document)
        for path, item in document["paths"].items():
            post = item.get("post", {})
            content = post.get("requestBody", {}).get("content", {}).get("application/json")
            if content is None or "/sandbox/" in path:
                continue
            role = role_for(service, path, post, call, mint)
            answer = await call.post(role, service, url_of(path, post), content["example"])
            sent += 1
            findings += declared.findings("post", path, answer)
            errors = answer.json().get("errors", []) if answer.status_code in (400, 422) else []
            findings += [f"{path}: {error}" for error in errors if error["code"] in FORMS]
    assert not findings, "\n".join(findings)
    assert sent >= LEAST_EXAMPLES, sent


def url_of(path: str, operation: dict[str, Any]) -> str:
    """The path with the examples of its parameters."""
    for parameter in operation.get("parameters", ()):
        if parameter.get("in") == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(parameter.get("example", "none")))
    return path
