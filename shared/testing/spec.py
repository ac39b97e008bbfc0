"""The language of domain tests: given what happened, when a command comes, then what happens next.

    given(CLAIM, SUBMITTED, SCREENED).when(decide, ReviewClaim(...)).then(ClaimReviewed(...))
    given(CLAIM).when(decide, ReviewClaim(...)).then_rejected("not_found", 404)

Every line of `then…` raises an `AssertionError` that shows what was expected beside what came.
"""

from collections.abc import Callable, Iterable
from difflib import ndiff
from typing import Any, Generic, TypeVar

import msgspec

from shared.eventstore.decider import Aggregate, Decision, Event, Rejection

S = TypeVar("S")


class Outcome(Generic[S]):
    """What a command led to. `decision` is what the domain answered, `before` the state it was given."""

    def __init__(self, aggregate: Aggregate[S], before: S, command: object, decision: Decision) -> None:
        self._aggregate = aggregate
        self._command = command
        self.before = before
        self.decision = decision

    def then(self, *events: Event) -> S:
        """Exactly these events, in this order; returns the state after them."""
        __tracebackhide__ = True
        if isinstance(self.decision, Rejection):
            raise AssertionError(self._told("expected events, but it was rejected", events, (self.decision,)))
        if list(self.decision) != list(events):
            raise AssertionError(self._told("other events than expected", events, self.decision))
        return self._aggregate.fold(self.decision, self.before)

    def then_nothing(self) -> S:
        """Accepted without any event: there was nothing to do."""
        __tracebackhide__ = True
        return self.then()

    def then_rejected(self, code: str, status: int = 409) -> Rejection:
        """Rejected with this code and HTTP status, and with something to say to the caller; returns the rejection."""
        __tracebackhide__ = True
        if not isinstance(self.decision, Rejection):
            came: Iterable[object] = self.decision or ("(nothing: the command was accepted without an event)",)
            raise AssertionError(self._told(f"expected rejection {code}, but it was accepted", (), came))
        if (self.decision.code, self.decision.status) != (code, status):
            found = f"{self.decision.code} ({self.decision.status})"
            raise AssertionError(
                self._told(f"expected rejection {code} ({status}), came {found}", (), (self.decision,))
            )
        if not self.decision.detail:
            raise AssertionError(f"rejection {code} has no detail: the caller is not told what to do")
        return self.decision

    def _told(self, what: str, expected: Iterable[object], came: Iterable[object]) -> str:
        lines = list(ndiff(_lines(expected), _lines(came)))
        return "\n".join([f"{what}, when {_shown(self._command)}", "  (- expected, + came)", *lines])


class Given(Generic[S]):
    """A stream's past, folded."""

    def __init__(self, aggregate: Aggregate[S], events: Iterable[Event]) -> None:
        self._aggregate = aggregate
        self.state = aggregate.fold(events)

    def when(self, decide: Callable[[Any, S], Decision], command: object) -> Outcome[S]:
        """What `decide` makes of a command now."""
        return Outcome(self._aggregate, self.state, command, decide(command, self.state))


def given(aggregate: Aggregate[S], *events: Event) -> Given[S]:
    """A stream in which these events have happened, in this order."""
    return Given(aggregate, events)


def _lines(values: Iterable[object]) -> list[str]:
    return [line for value in values for line in _shown(value).splitlines()]


def _shown(value: object) -> str:
    """A struct with one field on each line, so that a difference stands alone; anything else as it is."""
    if not isinstance(value, msgspec.Struct):
        return value if isinstance(value, str) else repr(value)
    fields = "".join(f"    {name}={found!r},\n" for name, found in msgspec.structs.asdict(value).items())
    return f"{type(value).__name__}(\n{fields})" if fields else f"{type(value).__name__}()"
