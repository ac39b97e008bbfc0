"""Whatever is sent to any operation of any service, the answer is declared, and what the schema forbids is refused."""

import asyncio
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from schemathesis import GenerationMode

from deploy.local.demo.run import Outcome
from deploy.local.endpoints import Endpoints
from tests.e2e.caller import Minter
from tests.e2e.fuzzing.fuzzer import Fuzzer
from tests.e2e.fuzzing.preparation import preparations
from tests.e2e.fuzzing.realism import Preparations
from tests.e2e.fuzzing.sequences import walk
from tests.e2e.stories import run_demo

pytestmark = pytest.mark.stack

SEED = 20230907
CASES, STEPS = 15_000, 9_000
"""All that is sent at least, and how much of it in sequences."""
FOUNDERS = 20
LEAST_OPERATIONS = 130


@pytest.fixture(autouse=True)
def schemathesis_may_warn() -> Iterator[None]:
    """Of generators that are slow, and of deprecated parts of its own dependencies."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def fuzzer_of(endpoints: Endpoints, directory: Path, founders: int = 0) -> Iterator[Fuzzer]:
    """`founders`: how many a demo before it has. What was found fails the test."""
    with asyncio.Runner() as runner:
        prepared = runner.run(city(endpoints, directory, founders)) if founders else {}
        fuzzer = Fuzzer(runner, endpoints, Minter(directory), SEED, prepared)
        try:
            yield fuzzer
        finally:
            fuzzer.close()
            print(fuzzer.tally, *fuzzer.findings, sep="\n")
    assert not fuzzer.findings, "\n".join(map(str, fuzzer.findings))


async def city(endpoints: Endpoints, directory: Path, founders: int) -> Preparations:
    """A demo, and people who may claim after it."""
    await run_demo(endpoints, directory, founders)
    return await preparations(endpoints, directory)


def every_operation(fuzzer: Fuzzer, endpoints: Endpoints, cases: Callable[[int], int], *, harmless: bool) -> None:
    """Each is sent cases as its document allows and cases as it forbids.

    `cases`: how many of each, by the number of operations. `harmless`: nothing that might take effect is sent.
    """
    operations = [(service, one) for service in endpoints.services for one in fuzzer.operations(service)]
    assert len(operations) >= LEAST_OPERATIONS
    for service, operation in operations:
        if not (harmless and operation.method.upper() != "GET"):
            fuzzer.fuzz(service, operation, GenerationMode.POSITIVE, cases(len(operations)))
        fuzzer.fuzz(service, operation, GenerationMode.NEGATIVE, cases(len(operations)))


def test_a_few_cases_of_every_operation(demonstrated: Outcome, endpoints: Endpoints, directory: Path) -> None:
    with fuzzer_of(endpoints, directory) as fuzzer:
        every_operation(fuzzer, endpoints, lambda operations: 2, harmless=True)
        assert fuzzer.tally.cases > 300


def test_a_few_sequences_of_reads(demonstrated: Outcome, endpoints: Endpoints, directory: Path) -> None:
    with fuzzer_of(endpoints, directory) as fuzzer:
        for service in endpoints.services:
            walk(fuzzer, service, 24, SEED, reading=True)
        assert fuzzer.tally.linked >= len(endpoints.services)


@pytest.mark.full
def test_ten_thousand_cases_many_of_them_in_sequences(fresh_stack: Callable[[], tuple[Path, Endpoints]]) -> None:
    directory, endpoints = fresh_stack()
    with fuzzer_of(endpoints, directory, FOUNDERS) as fuzzer:
        for service in endpoints.services:
            walk(fuzzer, service, STEPS // len(endpoints.services), SEED)
        every_operation(fuzzer, endpoints, lambda operations: 2 * (CASES - STEPS) // (3 * operations), harmless=False)
        assert fuzzer.tally.steps >= STEPS
        assert fuzzer.tally.cases >= CASES
        assert fuzzer.tally.linked >= STEPS // 24
