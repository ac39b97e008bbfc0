"""Rate limits: nobody gets more than his rate, whatever the rhythm of his asking, and everybody gets that much."""

from hypothesis import given as every
from hypothesis import strategies as st

from shared.web import rates as module
from shared.web.rates import Rate, Rates, too_many

RATE = Rate("bank", per_second=10.0, burst=5)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def rates(clock: Clock) -> Rates:
    return Rates({"bank": RATE, "service": None}, clock)


def admitted(found: Rates, caller: str = "bank:a") -> bool:
    allowance = found.take("bank", caller)
    assert allowance is not None
    return allowance.admitted


def test_a_burst_is_served_and_no_more() -> None:
    found = rates(Clock())
    assert [admitted(found) for _ in range(7)] == [True] * 5 + [False] * 2


def test_what_was_used_comes_back_with_time() -> None:
    clock = Clock()
    found = rates(clock)
    while admitted(found):
        pass
    clock.now += 0.1
    assert [admitted(found), admitted(found)] == [True, False]
    clock.now += 100
    assert [admitted(found) for _ in range(6)] == [True] * 5 + [False]


def test_callers_have_buckets_of_their_own_and_some_kinds_none() -> None:
    found = rates(Clock())
    while admitted(found):
        pass
    assert admitted(found, "bank:b")
    assert found.take("service", "service:audit") is None


def test_the_headers_tell_what_is_left_and_when_there_is_more() -> None:
    clock = Clock()
    found = rates(clock)
    told = [dict(allowance.headers()) for _ in range(6) if (allowance := found.take("bank", "bank:a"))]
    assert {headers[b"ratelimit-policy"] for headers in told} == {b'"bank";q=5;w=1'}
    assert [headers[b"ratelimit"] for headers in told] == [
        b'"bank";r=4;t=0', b'"bank";r=3;t=0', b'"bank";r=2;t=0', b'"bank";r=1;t=0', b'"bank";r=0;t=1',
        b'"bank";r=0;t=1',
    ]  # fmt: skip
    refused = found.take("bank", "bank:a")
    assert refused is not None
    problem = too_many(refused)
    assert (problem.status, problem.code, problem.headers) == (429, "too_many_requests", {"Retry-After": "1"})


@every(st.lists(st.floats(0, 0.6), max_size=200))
def test_in_no_stretch_of_time_is_more_served_than_burst_and_rate_allow(pauses: list[float]) -> None:
    clock = Clock()
    found = rates(clock)
    served: list[float] = []
    for pause in pauses:
        clock.now += pause
        if admitted(found):
            served.append(clock.now)
        else:
            assert len(served) >= RATE.burst
    for first, begin in enumerate(served):
        for count, end in enumerate(served[first:], 1):
            assert count <= RATE.burst + (end - begin) * RATE.per_second + 1e-6


def test_only_so_many_callers_are_remembered() -> None:
    found = rates(Clock())
    kept, module.KEPT = module.KEPT, 3
    try:
        while admitted(found, "bank:0"):
            pass
        for number in range(1, 5):
            admitted(found, f"bank:{number}")
        assert admitted(found, "bank:0")
    finally:
        module.KEPT = kept
