"""Cases of one operation at a time, as its document allows and as it forbids."""

import asyncio
import random
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import BaseSchema

from deploy.local.endpoints import Endpoints
from tests.e2e.caller import Minter
from tests.e2e.fuzzing.judge import Finding, Judge
from tests.e2e.fuzzing.realism import Preparations, Realism
from tests.e2e.fuzzing.sender import Sender
from tests.e2e.fuzzing.tally import LINKED, Tally

LEFT_ALONE = [
    "POST /v1/sandbox/clock",
    "POST /v1/vault/master-key:rotate",
    "POST /v1/signing-keys:rotate",
    "POST /oauth2/token",
]
"""What would move the ground under all other cases, and a form whose errors are OAuth's own."""


def operations_of(schema: BaseSchema) -> Iterator[Any]:
    """The operations of a document, every one of which must be understood."""
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result.err()
        yield result.ok()


class Fuzzer:
    """Sends cases to the services of a stack in which a demo has run, and judges and counts the answers."""

    def __init__(
        self, runner: asyncio.Runner, endpoints: Endpoints, mint: Minter, seed: int, prepared: Preparations
    ) -> None:
        chance = random.Random(seed)
        self._sender = Sender(runner, endpoints, mint, chance)
        self._endpoints = endpoints
        self._judges: dict[str, Judge] = {}
        self._realism = Realism(self._sender.known_ids(), prepared, seed, chance)
        self.tally = Tally()

    def close(self) -> None:
        self._sender.close()

    @property
    def findings(self) -> list[Finding]:
        return [finding for judge in self._judges.values() for finding in judge.findings.values()]

    def schema(self, service: str) -> BaseSchema:
        """The service's document without what is left alone, its links as it declares them, none guessed."""
        url = self._endpoints.services[service]
        document = httpx.get(f"{url}/openapi.json", trust_env=False).json()
        schema = schemathesis.openapi.from_dict(document)
        schema.config.update(base_url=url)
        schema.config.phases.stateful.inference.algorithms = []
        self._judges.setdefault(service, Judge(service, document))
        return schema.exclude(name=LEFT_ALONE)

    def operations(self, service: str) -> Iterator[Any]:
        """The operations of a service that may be sent anything."""
        return operations_of(self.schema(service))

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
        def send(case: Case[Any]) -> None:
            if mode is GenerationMode.POSITIVE:
                self._realism.known_ids(case)
            self._try(service, case, f"alone, {mode.value}")

        with suppress(Unsatisfiable):  # there is nothing of it that could be wrong
            send()

    def step(self, service: str, case: Case[Any], linked: Collection[str], near: set[str]) -> httpx.Response | None:
        """Send one step of a sequence; `linked` are the parameters that the answer before it gave, `near` its texts."""
        mode = GenerationMode.POSITIVE if case.meta is None else case.meta.generation.mode
        if mode is GenerationMode.POSITIVE:
            self._realism.next_step(case, linked, near)
        return self._try(service, case, f"step {LINKED if linked else 'at the start'}, {mode.value}", near)

    def _try(self, service: str, case: Case[Any], kind: str, near: Collection[str] = ()) -> httpx.Response | None:
        sent = self._sender.send(service, case, near)
        if sent is None:
            return None
        judge, answer = self._judges[service], sent.answer
        self.tally.add(f"{service} {case.method} {case.operation.path}", answer.status_code, kind)
        if answer.is_success and not sent.trusted:
            judge.find(case, "an answer to a bank is not signed")
        judge.judge(case, answer)
        if answer.status_code == 201 and "location" in answer.headers:
            self._follow(service, answer.headers["location"], case)
        return answer

    def _follow(self, service: str, location: str, case: Case[Any]) -> None:
        """What was made can be read where the answer says, and takes part in the cases that follow."""
        collection, _, id = location.rpartition("/")
        judge = self._judges[service]
        paths = judge.declared.document["paths"]
        path = next(path for path, item in paths.items() if path.rpartition("/{")[0] == collection and "get" in item)
        answer = self._sender.get(service, location, paths[path]["get"]["x-roles"]).answer
        for finding in judge.declared.findings("get", path, answer):
            judge.find(case, finding)
        if answer.status_code not in (200, 404):  # a district does not see what is another's
            judge.find(case, f"{answer.status_code} at the Location of a 201")
        self._realism.known.setdefault(path.rpartition("{")[2].rstrip("}"), []).append(id)
