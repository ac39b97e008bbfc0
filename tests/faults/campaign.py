"""A demo in a stack under fire, and what must hold when both are over."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from deploy.local import settings
from deploy.local.app_backend.place import file_of
from deploy.local.app_backend.received import read
from deploy.local.client import Client
from deploy.local.demo.run import Outcome, runs_of
from deploy.local.endpoints import Endpoints
from tests.e2e.stories import broken, predicted, run_demo
from tests.faults.fire import Target, under_fire
from tests.faults.schedule import Action


def fired(targets: Sequence[Target]) -> Counter[str]:
    """How often faults have fired, by service and point."""
    return Counter(f"{fault.service} {fault.point}" for target in targets for fault in target.journal.read())


async def demo_under_fire(
    endpoints: Endpoints,
    directory: Path,
    targets: Sequence[Target],
    founders: int,
    seed: str,
    action: Action,
    each: int,
) -> Counter[str]:
    """A demo while all of `targets` are under fire, at most `each` times at each point; returns what has fired.

    Afterwards everything holds.
    """
    before = fired(targets)
    async with under_fire(targets, seed, action, each):
        outcome = await run_demo(endpoints, directory, founders)
    await holds(endpoints, directory, outcome)
    return fired(targets) - before


async def holds(endpoints: Endpoints, directory: Path, outcome: Outcome) -> None:
    """The figures are those that the city predicts, and `verify --all` finds nothing.

    The app's backend has every message then, by an id of its own; how often some came again is only told.
    """
    received = read(file_of(settings.read(directory)))
    print(f"{len(received) - len({item.id for item in received})} of {len(received)} webhooks came again")
    assert outcome.figures == predicted(runs_of(directory)[outcome.run - 1].city())
    async with Client(endpoints, f"faults/{outcome.run}") as client:
        assert await broken(client, directory) == []
