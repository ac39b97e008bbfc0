"""Whatever is sent to any operation of any service, the answer is declared, and what the schema forbids is refused."""

import asyncio
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from schemathesis import GenerationMode

from deploy.local.demo.run import Outcome
from deploy.local.endpoints import Endpoints
from tests.e2e.caller import Minter
from tests.e2e.fuzzing import Fuzzer
from tests.e2e.stories import run_demo

pytestmark = pytest.mark.stack

SEED = 20230907
CASES = 10_000
FOUNDERS = 20
LEAST_OPERATIONS = 130


@pytest.fixture(autouse=True)
def schemathesis_may_warn() -> Iterator[None]:
    """Of generators that are slow, and of deprecated parts of its own dependencies."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def fuzzed(
    endpoints: Endpoints, directory: Path, cases: Callable[[int], int], *, harmless: bool, founders: int = 0
) -> Fuzzer:
    """Every operation is sent cases as its document allows and cases as it forbids.

    `cases`: how many of each, by the number of operations. `harmless`: nothing that might take effect is sent.
    """
    with asyncio.Runner() as runner:
        if founders:
            runner.run(run_demo(endpoints, directory, founders))
        fuzzer = Fuzzer(runner, endpoints, Minter(directory), SEED)
        operations = [(service, one) for service in endpoints.services for one in fuzzer.operations(service)]
        assert len(operations) >= LEAST_OPERATIONS
        for service, operation in operations:
            if not (harmless and operation.method.upper() != "GET"):
                fuzzer.fuzz(service, operation, GenerationMode.POSITIVE, cases(len(operations)))
            fuzzer.fuzz(service, operation, GenerationMode.NEGATIVE, cases(len(operations)))
        fuzzer.close()
    print(f"{fuzzer.cases} cases: {dict(sorted(fuzzer.statuses.items()))}")
    return fuzzer


def test_a_few_cases_of_every_operation(demonstrated: Outcome, endpoints: Endpoints, directory: Path) -> None:
    fuzzer = fuzzed(endpoints, directory, lambda operations: 2, harmless=True)
    assert not fuzzer.findings, "\n".join(map(str, fuzzer.findings.values()))
    assert fuzzer.cases > 300


@pytest.mark.full
def test_ten_thousand_cases(fresh_stack: Callable[[], tuple[Path, Endpoints]]) -> None:
    directory, endpoints = fresh_stack()
    fuzzer = fuzzed(
        endpoints, directory, lambda operations: 2 * CASES // (3 * operations), harmless=False, founders=FOUNDERS
    )
    assert not fuzzer.findings, "\n".join(map(str, fuzzer.findings.values()))
    assert fuzzer.cases >= CASES
