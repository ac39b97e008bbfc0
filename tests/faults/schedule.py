"""What is done to which service where, in which order: everything follows from one seed."""

import importlib
import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from deploy.local.settings import SERVICES
from shared.runtime.definition import ServiceDefinition
from shared.testing.fault_points import FaultPoint

Action = str
"""A name of `fault_points.ACTIONS`."""

TIMED = ("subsidy",)
"""Services whose timers come due in a demo: those of registry and loans run for years."""
UNMOVED = ("registry",)
"""Services whose processes nothing moves in a demo: registry's see to erasures."""
WORKED = ("subsidy",)
"""Services with long work in a demo: policies are simulated before they are put in force."""
IMPORTING = ("subsidy",)
"""Services that take in files in a demo: what the bank tells of a batch of payments."""
CALLING = ("notify",)
"""Services that call others of their own accord: the app's backend hears of each message."""
SELDOM = ("work", "import")
"""What a stack does once, when its first demo begins, or a demo once or twice: it goes first, and fires at once."""
SOON = (1, 1, 2, 3, 5, 8)
"""How often a point is reached until its fault fires. Most lives of a process are short, so most are small."""


class Fault(NamedTuple):
    """The `on`-th time that `service` gets to `point`, it does `action` to itself."""

    service: str
    point: FaultPoint
    action: Action
    on: int


def definition_of(service: str) -> ServiceDefinition:
    found: ServiceDefinition = importlib.import_module(f"services.{service}.wiring").DEFINITION
    return found


def points_of(service: str) -> list[FaultPoint]:
    """The points that a service gets to in a demo."""
    definition = definition_of(service)
    happens = {
        "import": service in IMPORTING,
        "append": bool(definition.aggregates),
        "sequence": bool(definition.aggregates),
        "publish": bool(definition.aggregates),
        "head": bool(definition.aggregates),
        "follow": bool(definition.listers or definition.processes),
        "receive": bool(definition.sources),
        "effect": bool(definition.sources),
        "retry": False,  # nothing is parked in a demo
        "react": bool(definition.processes) and service not in UNMOVED,
        "timer": service in TIMED,
        "work": service in WORKED,
        "webhook": service in CALLING,
        "restore": False,  # an operator's commands, which a demo does without
        "reconcile": False,
    }
    return [point for point in FaultPoint if happens[point.partition(".")[0]]]


PAIRS = [(service, point) for service in SERVICES for point in points_of(service)]
"""Every service at every point that it gets to."""


def faults_of(service: str, points: Sequence[FaultPoint], action: Action, chance: random.Random) -> list[Fault]:
    """A fault for each of these points, each the n-th time that the service gets there, n by chance."""
    return [Fault(service, point, action, 1 if is_seldom(point) else chance.choice(SOON)) for point in points]


def is_seldom(point: FaultPoint) -> bool:
    """Whether a stack, or a demo, gets there once or twice."""
    return point.partition(".")[0] in SELDOM


def words(faults: Iterable[Fault]) -> str:
    """As `fault_points` reads them."""
    return ",".join(f"{fault.point}:{fault.action}:{fault.on}" for fault in faults)
