"""Given what happened, when a command comes, then what happens next: over the pure functions of a domain."""

from collections.abc import Callable
from typing import Any

from shared.eventstore.decider import Aggregate, Decision, Event, Rejection


class Given:
    def __init__(self, aggregate: Aggregate[Any], *events: Event) -> None:
        self.state = aggregate.fold(events)

    def when(self, decide: Callable[[Any, Any], Decision], command: object) -> "Then":
        return Then(decide(command, self.state))


class Then:
    def __init__(self, decision: Decision) -> None:
        self.decision = decision

    def then(self, *events: Event) -> None:
        assert not isinstance(self.decision, Rejection), self.decision
        assert list(self.decision) == list(events)

    def refused(self, code: str, status: int = 409) -> Rejection:
        assert isinstance(self.decision, Rejection), self.decision
        assert (self.decision.code, self.decision.status) == (code, status)
        assert self.decision.detail
        return self.decision


def given(aggregate: Aggregate[Any], *events: Event) -> Given:
    return Given(aggregate, *events)
