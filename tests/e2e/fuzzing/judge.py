"""What an answer has that it should not: a 5xx, something that is not declared, a success that is forbidden."""

import json
from typing import Any, NamedTuple

import httpx
from schemathesis import Case
from schemathesis.checks import negative_data_rejection
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.e2e.declared import Declared

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


class Finding(NamedTuple):
    """What an answer has that it should not, and what was sent for it."""

    operation: str
    what: str
    sent: str

    def __str__(self) -> str:
        return f"{self.operation}: {self.what}\n  {self.sent}"


class Judge:
    """Holds the answers of one service against its document, and keeps the first finding of a kind."""

    def __init__(self, service: str, document: dict[str, Any]) -> None:
        self.declared = Declared(document)
        self.findings: dict[tuple[str, str], Finding] = {}
        self._service = service

    def judge(self, case: Case[Any], answer: httpx.Response) -> None:
        if answer.status_code >= 500:
            self.find(case, f"{answer.status_code} {answer.text[:200]}")
        for finding in self.declared.findings(case.method.lower(), case.operation.path, answer):
            self.find(case, finding)
        forbidden = answer.is_success and not self._only_ignored(case, answer)
        checks = [*CHECKS, *([negative_data_rejection] if forbidden else [])]
        try:
            case.validate_response(answer, checks=checks)
        except FailureGroup as group:
            for failure in group.exceptions:
                told = " ".join(f"{failure.title}: {failure.message}".split())
                self.find(case, f"{answer.status_code} {told[:400]}", answer.text[:300])

    @staticmethod
    def _only_ignored(case: Case[Any], answer: httpx.Response) -> bool:
        """Whether parameters were sent that this operation passes over: it could not tell that they were forbidden."""
        told = case.operation.definition.raw
        named = {parameter.name for parameter in case.operation.query}
        return told.get("x-unknown-parameters") == "ignored" and not named.issuperset(answer.request.url.params)

    def find(self, case: Case[Any], what: str, more: str = "") -> None:
        operation = f"{self._service} {case.method} {case.operation.path}"
        sent = {"path": case.path_parameters, "query": case.query, "headers": case.headers, "body": case.body}
        told = json.dumps(sent, ensure_ascii=True, default=repr)[:500]
        self.findings.setdefault((operation, what.split(":")[0]), Finding(operation, what, f"{told} {more}"))
