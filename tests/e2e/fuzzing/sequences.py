"""Sequences of calls along the links of a service's document, as Schemathesis' state machine draws them."""

from collections.abc import Iterator
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import FlakyReplay, FlakyStrategyDefinition
from hypothesis.stateful import Bundle
from schemathesis import GenerationMode
from schemathesis.core.transport import Response
from schemathesis.engine.errors import is_inconsistent_replay
from schemathesis.generation.stateful.control import TransitionController
from schemathesis.generation.stateful.state_machine import StepInput, StepOutput
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.stateful import is_root_allowed, transition

from tests.e2e.fuzzing.fuzzer import Fuzzer, operations_of

STEPS = 12
"""Of one sequence."""
STARTS = 2
"""Calls of a sequence that follow from nothing, as long as there is something that others can follow from."""
ROUND = 8
"""Sequences that are drawn of one seed."""


class Onward(TransitionController):
    """Prefers what follows from an answer to another start."""

    def allow_root_transition(self, source: str, bundles: Any) -> bool:
        starts = sum(self._root_calls(root) for root in self.roots)
        return not (starts >= STARTS and self._something_follows(bundles)) and bool(
            super().allow_root_transition(source, bundles)
        )

    def _something_follows(self, bundles: Any) -> bool:
        answered = {
            label
            for name, values in bundles.items()
            if values
            for label in self.transitions.producer_labels_for_bundle(name)
        }
        return any(
            self.allow_transition(label, link.target.label)
            for label in answered
            for link in self.transitions.operations[label].outgoing
        )


def walk(fuzzer: Fuzzer, service: str, steps: int, first_seed: int, *, reading: bool = False) -> None:
    """Send at least so many steps to a service. `reading`: only what changes nothing."""
    schema = fuzzer.schema(service)
    machine = machine_of(fuzzer, service, schema.include(method="GET") if reading else schema)
    wanted = fuzzer.tally.steps + steps
    for number in range(steps):
        if fuzzer.tally.steps >= wanted:
            return
        _round(machine, first_seed + number, max(1, min(ROUND, (wanted - fuzzer.tally.steps) // STEPS)))
    raise AssertionError(f"{service}: rounds without steps")


def machine_of(fuzzer: Fuzzer, service: str, schema: BaseSchema) -> Any:
    """Schemathesis' machine of a document whose steps the fuzzer sends and judges."""
    base: Any = with_starts(schema.as_state_machine(), schema)

    class Machine(base):  # type: ignore[misc]
        _fuzzer: ClassVar[Fuzzer] = fuzzer

        def setup(self) -> None:
            self.control = Onward(self._transitions, self._root_labels)
            self._ways: dict[str, int] = {}

        def step(self, input: StepInput) -> StepOutput | None:
            case, parent, told = input.case, None, None
            linked = {name for _, name in input.applied_parameters if name is not None}
            if linked and input.transition is not None:
                parent = input.transition.parent_id
                told = self.recorder.interactions[parent].response
                assert 200 <= told.status_code < 300
            answer = self._fuzzer.step(service, case, linked, {*texts(told.json() if told else None)})
            if answer is None:
                return None
            self._ways[case.id] = (0 if parent is None else self._ways.get(parent, 0)) + 1
            response = Response.from_httpx(answer, verify=True)
            self.after_call(response, case)
            return StepOutput(response, case)

        def teardown(self) -> None:
            if self._ways:
                self._fuzzer.tally.add_sequence(service, max(self._ways.values()))

    return Machine


def texts(node: Any) -> Iterator[str]:
    """The texts in an answer; of a list those in its first item, which links lead to."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        yield from texts(node[0] if node else None)
    elif isinstance(node, dict):
        for value in node.values():
            yield from texts(value)


def with_starts(base: Any, schema: BaseSchema) -> Any:
    """The machine, starting also at what none of its starts leads to: audit tells of claims and lists none."""
    onward = {
        label: {link.target.label for link in found.outgoing} for label, found in base._transitions.operations.items()
    }
    reached, waiting = set(), set(base._root_labels)
    while waiting:
        reached.add(label := waiting.pop())
        waiting |= onward.get(label, set()) - reached
    operations = {one.label: one for one in operations_of(schema)}
    rules = {}
    for label in sorted(onward.keys() - reached):
        name = f"START_{operations[label].definition.raw['operationId']}"
        cases = operations[label].as_strategy(generation_mode=GenerationMode.POSITIVE).map(StepInput.initial)
        rules[name] = transition(
            name=name, target=Bundle("catch_all"), input=cases, precondition=is_root_allowed(label)
        )
    told = {"_root_labels": base._root_labels | (onward.keys() - reached), "root_rules": base.root_rules | rules.keys()}
    return type("Started", (base,), {**rules, **told})


def _round(machine: Any, number: int, sequences: int) -> None:
    """Some sequences of one seed. Answers depend on all that was before; that ends the round if Hypothesis notices."""
    machine.rule_order_seed = number
    chosen = settings(
        max_examples=sequences,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    try:
        seed(number)(machine).run(settings=chosen)
    except (FlakyReplay, FlakyStrategyDefinition):
        pass
    except AssertionError as error:
        if not is_inconsistent_replay(error):
            raise
