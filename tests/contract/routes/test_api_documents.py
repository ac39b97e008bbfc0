"""docs/api/*.json: what the code says, breaking no caller, complete, and clean by Redocly's strictest rules."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shared.contracts.api_compatibility import breaking
from shared.web.answers import declared
from shared.web.routes import GuardedRoute
from tests.contract.routes.documents import SERVICES, application, document, path_of, written

LINT = Path(__file__).with_name("redocly")
OPERATION_ID = re.compile("[a-z][a-zA-Z]+")
WRITE_ANEW = "run python -m tests.contract.routes.documents"


def operations(whole: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in whole["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_has_changed_that_breaks_a_caller(service: str) -> None:
    assert breaking(json.loads(path_of(service).read_bytes()), document(service)) == []


@pytest.mark.parametrize("service", SERVICES)
def test_the_file_is_what_the_code_says(service: str) -> None:
    assert path_of(service).read_bytes() == written(document(service)), WRITE_ANEW


def test_there_is_no_file_of_a_service_that_is_none() -> None:
    assert {path.stem for path in path_of("registry").parent.glob("*.json")} == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_has_a_name_of_its_own(service: str) -> None:
    names = [operation["operationId"] for _, operation in operations(application(service).openapi())]
    assert len(set(names)) == len(names)
    assert all(OPERATION_ID.fullmatch(name) for name in names), names


@pytest.mark.parametrize("service", SERVICES)
def test_every_documented_route_declares_what_it_answers(service: str) -> None:
    silent = [
        route.path
        for route in application(service).routes
        if isinstance(route, GuardedRoute) and route.include_in_schema and declared(route.endpoint) is None
    ]
    assert silent == [], "put @shows, @lists, @carries_out or @gives on it (shared.web.answers)"


@pytest.mark.parametrize("service", SERVICES)
def test_success_answers_have_schemas_and_examples_that_fit_them(service: str) -> None:
    whole = document(service)
    for where, operation in operations(whole):
        successes = {status: answer for status, answer in operation["responses"].items() if status < "3"}
        assert successes, where
        for answer in successes.values():
            for media_type, content in answer["content"].items():
                assert content["schema"], where
                if media_type.endswith("json"):
                    fits(content["schema"], content["example"], whole)


@pytest.mark.parametrize("service", SERVICES)
def test_every_body_has_an_example_that_fits_it(service: str) -> None:
    whole = document(service)
    for _, operation in operations(whole):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            fits(content["schema"], content["example"], whole)


LINKING = 50
"""How many links there are at least in all documents; a resource that is only told of has none."""


def test_links_lead_to_operations_and_give_all_that_their_addresses_need() -> None:
    followed = 0
    for service in SERVICES:
        whole = document(service)
        paths = {operation["operationId"]: path for path, item in whole["paths"].items() for operation in item.values()}
        for where, operation in operations(whole):
            for answer in operation["responses"].values():
                for link in answer.get("links", {}).values():
                    followed += 1
                    needed = set(re.findall(r"\{(\w+)\}", paths[link["operationId"]]))
                    assert set(link["parameters"]) == needed, where
                    examples = [content["example"] for content in answer["content"].values() if "example" in content]
                    for expression in link["parameters"].values():
                        assert expression.startswith("$request.path.") or found_in(examples[0], expression), where
    assert followed > LINKING * len(SERVICES)


def found_in(example: Any, expression: str) -> bool:
    """Whether an answer has what an expression (`$response.body#/items/0/id`) points to, be it null."""
    for part in expression.removeprefix("$response.body#/").split("/"):
        if not isinstance(example, list) and part not in example:
            return False
        example = example[int(part)] if isinstance(example, list) else example[part]
    return True


@pytest.mark.parametrize("service", SERVICES)
def test_every_resource_that_can_be_read_is_linked_to(service: str) -> None:
    whole = document(service)
    linked = {
        link["operationId"]
        for _, operation in operations(whole)
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    }
    needing = {
        operation["operationId"]
        for path, item in whole["paths"].items()
        for operation in item.values()
        if "{" in path and not all(role.startswith("service:") for role in operation["x-roles"])
    }
    assert needing - linked == set()


def fits(schema: dict[str, Any], example: Any, whole: dict[str, Any]) -> None:
    Draft202012Validator({**schema, "components": whole["components"]}).validate(example)


def texts(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from texts(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("description", "summary") and isinstance(value, str):
                yield value
            else:
                yield from texts(value)


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_said_is_said_in_chinese(service: str) -> None:
    said = list(texts(document(service)))
    assert len(said) > 50
    assert [text for text in said if not re.search("[一-鿿]", text)] == []


def test_what_only_the_sandbox_has_is_not_in_the_files() -> None:
    assert not [where for service in SERVICES for where, _ in operations(document(service)) if "sandbox" in where]


def test_the_documents_keep_redoclys_strict_rules(tmp_path: Path) -> None:
    """Installs what is pinned in redocly/package-lock.json."""
    if shutil.which("npm") is None:
        message = "Redocly needs Node.js 20 or newer"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    for name in ("package.json", "package-lock.json", "redocly.yaml"):
        shutil.copy(LINT / name, tmp_path)
    run(tmp_path, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
    documents = [str(path_of(service)) for service in SERVICES]
    told = run(tmp_path, "node_modules/.bin/redocly", "lint", "--config", "redocly.yaml", *documents)
    assert "Your API descriptions are valid" in told


def run(directory: Path, *command: str) -> str:
    settings = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    done = subprocess.run(
        command, cwd=directory, env={**os.environ, **settings}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
