"""Rate limits: how much each caller may ask for, told in the standard headers.

Every caller has a bucket of its own in each process (GCRA: one number a caller, no clean-up while he keeps coming).
The headers are those of the IETF draft "RateLimit header fields for HTTP".
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from math import ceil
from typing import NamedTuple

from starlette.types import Scope

from shared.web.problem import Problem

ALLOWANCE = "huchuang.allowance"
"""Where a request's scope holds what its caller has left."""
TINY = 1e-9
KEPT = 100_000
"""How many callers are remembered; the one that was silent for longest is forgotten first, with its debts."""


class Rate(NamedTuple):
    """`per_second` requests in the long run, and at most `burst` at once."""

    name: str
    per_second: float
    burst: int


RATES: Mapping[str, Rate | None] = {
    "app": Rate("app", per_second=5000, burst=10_000),
    "bank": Rate("bank", per_second=5000, burst=10_000),
    "carrier": Rate("partner", per_second=100, burst=500),
    "institution": Rate("partner", per_second=100, burst=500),
    "evaluator": Rate("partner", per_second=100, burst=500),
    "person": Rate("person", per_second=100, burst=1000),
    "public": Rate("public", per_second=100, burst=500),
    "service": None,
}
"""By kind of caller, for each process of a service: the app's backend and the banks speak for very many, a person for
himself. Services are not limited: what they ask of each other is bounded by their own queues."""
OTHERS = Rate("other", per_second=100, burst=1000)


class Allowance(NamedTuple):
    """What a caller has left: `remaining` requests at once, or none for `seconds`."""

    rate: Rate
    remaining: int
    seconds: float
    admitted: bool

    def headers(self) -> list[tuple[bytes, bytes]]:
        """`RateLimit-Policy` (quota and its window) and `RateLimit` (what remains, and when there is more)."""
        rate = self.rate
        window = ceil(rate.burst / rate.per_second)
        return [
            (b"ratelimit-policy", b'"%s";q=%d;w=%d' % (rate.name.encode(), rate.burst, window)),
            (b"ratelimit", b'"%s";r=%d;t=%d' % (rate.name.encode(), self.remaining, ceil(self.seconds))),
        ]


class Rates:
    """What every caller has asked for of late. `rates` are by kind of caller; None: not limited."""

    def __init__(self, rates: Mapping[str, Rate | None] = RATES, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = rates
        self._clock = clock
        self._due: OrderedDict[tuple[str, str], float] = OrderedDict()

    def take(self, kind: str, caller: str) -> Allowance | None:
        """Count one request of a caller, unless he has none left; None where his kind is not limited."""
        rate = self._rates.get(kind, OTHERS)
        if rate is None:
            return None
        now, each = self._clock(), 1 / rate.per_second
        room = rate.burst * each - max(self._due.get((kind, caller), 0.0) - now, 0.0)
        if room < each - TINY:
            return Allowance(rate, 0, each - room, admitted=False)
        self._due[kind, caller] = now + rate.burst * each - room + each
        self._due.move_to_end((kind, caller))
        if len(self._due) > KEPT:
            self._due.popitem(last=False)
        remaining = int((room + TINY) / each) - 1
        return Allowance(rate, remaining, 0.0 if remaining else 2 * each - room, admitted=True)


def limit(scope: Scope, rates: Rates, kind: str, caller: str) -> None:
    """Count a request; what is left is told with its answer. Raises a 429 problem."""
    allowance = rates.take(kind, caller)
    if allowance is not None:
        scope[ALLOWANCE] = allowance
        if not allowance.admitted:
            raise too_many(allowance)


def too_many(allowance: Allowance) -> Problem:
    """The 429 for who has none left."""
    wait = max(1, ceil(allowance.seconds))
    return Problem(429, "too_many_requests", "请求过于频繁，请稍后重试", headers={"Retry-After": str(wait)})
