"""Schemathesis over the live API documents: whatever is sent, the answer is one that the document declares."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import negative_data_rejection
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from deploy.local.client import SIGNED, signed_calls
from deploy.local.endpoints import Endpoints
from shared.web.signing.client import Untrusted
from tests.e2e.caller import Caller, Minter
from tests.e2e.declared import Declared
from tests.e2e.realistic import known_ids

LEFT_ALONE = {
    ("POST", "/v1/sandbox/clock"),
    ("POST", "/v1/vault/master-key:rotate"),
    ("POST", "/v1/signing-keys:rotate"),
    ("POST", "/oauth2/token"),
}
"""What would move the ground under all other cases, and a form whose errors are OAuth's own."""
OUR_OWN = ("content-length", "authorization")
"""Header fields that are not left to chance."""
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


class Fuzzer:
    """Sends cases as somebody whom the operation admits, banks with their signatures, and judges the answers."""

    def __init__(self, runner: asyncio.Runner, endpoints: Endpoints, mint: Minter, seed: int) -> None:
        self._runner = runner
        self._endpoints = endpoints
        self._mint = mint
        self._random = random.Random(seed)
        self._http = runner.run(_opened())
        self._signing = signed_calls(endpoints, self._http)
        self.findings: dict[tuple[str, str], Finding] = {}
        self.statuses: Counter[int] = Counter()
        self._declared: dict[str, Declared] = {}
        self.known = runner.run(known_ids(Caller(self._http, endpoints))).ids

    @property
    def cases(self) -> int:
        return sum(self.statuses.values())

    def close(self) -> None:
        self._runner.run(self._http.aclose())

    def operations(self, service: str) -> Iterator[Any]:
        """The operations of a service that may be sent anything."""
        url = self._endpoints.services[service]
        document = httpx.get(f"{url}/openapi.json", trust_env=False).json()
        schema = schemathesis.openapi.from_dict(document)
        schema.config.update(base_url=url)
        self._declared[service] = Declared(document)
        for result in schema.get_all_operations():
            operation = result.ok()
            if (operation.method.upper(), operation.path) not in LEFT_ALONE:
                yield operation

    def fuzz(self, service: str, operation: Any, mode: GenerationMode, cases: int) -> None:
        """Send so many cases of one operation."""

        @settings(
            max_examples=cases,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: Case) -> None:
            if mode is GenerationMode.POSITIVE:
                self._make_real(case)
            self._try(service, case)

        with suppress(Unsatisfiable):  # there is nothing of it that could be wrong
            send()

    def _make_real(self, case: Case) -> None:
        """Some of the ids are replaced by such as there are, so that more than the search for them is met."""
        for place in (case.path_parameters, case.query, case.body):
            self._replace(place)

    def _replace(self, node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                self._replace(item)
        elif isinstance(node, dict):
            for name, value in node.items():
                if self.known.get(name) and isinstance(value, str) and self._random.random() < 0.7:
                    node[name] = self._random.choice(self.known[name])
                else:
                    self._replace(value)

    def _try(self, service: str, case: Case) -> None:
        name = f"{service} {case.method} {case.operation.path}"
        try:
            answer = self._send(service, case)
        except (requests.RequestException, httpx.InvalidURL, httpx.LocalProtocolError, UnicodeError):
            return  # nothing that could be sent over HTTP
        except Untrusted as untrusted:
            answer = untrusted.response
            if answer.is_success:
                self._find(name, "an answer to a bank is not signed", case)
        self.statuses[answer.status_code] += 1
        if answer.status_code >= 500 and answer.status_code != 503:
            self._find(name, f"{answer.status_code} {answer.text[:200]}", case)
        for finding in self._declared[service].findings(case.method.lower(), case.operation.path, answer):
            self._find(name, finding, case)
        if answer.status_code == 201 and "location" in answer.headers:
            self._follow(service, name, answer.headers["location"], case)
        try:
            case.validate_response(answer, checks=[*CHECKS, *([negative_data_rejection] if answer.is_success else [])])
        except FailureGroup as group:
            for failure in group.exceptions:
                told = " ".join(f"{failure.title}: {failure.message}".split())
                self._find(name, f"{answer.status_code} {told[:400]}", case, answer.text[:300])

    def _follow(self, service: str, name: str, location: str, case: Case) -> None:
        """What was made can be read where the answer says, and takes part in the cases that follow."""
        collection, _, id = location.rpartition("/")
        declared = self._declared[service]
        path = next(
            path
            for path, item in declared.document["paths"].items()
            if path.rpartition("/{")[0] == collection and "get" in item
        )
        role = self._role(declared.document["paths"][path]["get"]["x-roles"])
        headers = {} if role is None else self._authorization(role)
        auth = self._signing.get(role) if role is not None and service == SIGNED else None
        url = self._endpoints.services[service] + location
        answer = self._runner.run(self._http.get(url, headers=headers, auth=auth))
        findings = declared.findings("get", path, answer)
        if answer.status_code not in (200, 404):  # a district does not see what is another's
            findings.append(f"{answer.status_code} at the Location of a 201")
        for finding in findings:
            self._find(name, finding, case)
        self.known.setdefault(path.rpartition("{")[2].rstrip("}"), []).append(id)

    def _send(self, service: str, case: Case) -> httpx.Response:
        role = self._role(case.operation.definition.raw["x-roles"])
        kwargs = case.as_transport_kwargs(base_url=self._endpoints.services[service])
        kwargs.pop("timeout", None)
        prepared = requests.Request(**kwargs).prepare()
        headers = [(key, value) for key, value in prepared.headers.items() if key.lower() not in OUR_OWN]
        if role is not None:
            headers += self._authorization(role).items()
        body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body
        request = httpx.Request(
            prepared.method, prepared.url, headers=[(_bytes(k), _bytes(v)) for k, v in headers], content=body
        )
        auth = self._signing.get(role) if role is not None and service == SIGNED else None
        answer: httpx.Response = self._runner.run(self._http.send(request, auth=auth))
        return answer

    def _role(self, patterns: list[str]) -> str | None:
        if "public" in patterns:
            return None
        known = [name for name in self._endpoints.tokens if any(fnmatchcase(name, pattern) for pattern in patterns)]
        return self._random.choice(known) if known else patterns[0].replace("*", "subsidy")

    def _authorization(self, role: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self._endpoints.tokens.get(role) or self._mint(role, kind='system')}"}

    def _find(self, operation: str, what: str, case: Case, more: str = "") -> None:
        kind = what.split(":")[0]
        sent = {"path": case.path_parameters, "query": case.query, "headers": case.headers, "body": case.body}
        told = json.dumps(sent, ensure_ascii=True, default=repr)[:500]
        self.findings.setdefault((operation, kind), Finding(operation, what, f"{told} {more}"))


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


async def _opened() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=30.0, trust_env=False)
