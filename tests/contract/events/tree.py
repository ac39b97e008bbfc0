"""All services of the tree by name, found by their wirings, so that no test forgets a new one."""

from functools import cache
from importlib import import_module
from pathlib import Path

from shared.eventstore.decider import Event
from shared.eventstore.record import tag_of
from shared.runtime.definition import ServiceDefinition

TREE = Path(__file__).parents[3] / "services"


@cache
def definitions() -> dict[str, ServiceDefinition]:
    names = sorted(path.parent.name for path in TREE.glob("*/wiring.py"))
    return {name: import_module(f"services.{name}.wiring").DEFINITION for name in names}


@cache
def event_classes() -> dict[str, type[Event]]:
    """Every event class of every service by its tag."""
    return {
        tag_of(kind): kind
        for definition in definitions().values()
        for aggregate in definition.aggregates
        for kind in aggregate.events
    }


@cache
def older_tags() -> dict[str, str]:
    """Tags of events that were written once and are upcast now, with what they are read as."""
    return {upcast.old: upcast.new for definition in definitions().values() for upcast in definition.upcasts}


def contract_of(service: str) -> Path:
    """Where a service's event schemas are checked in."""
    return TREE / service / "contracts" / "events.json"
