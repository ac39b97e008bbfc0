"""Simulation: a policy version run over the claims there were; who gains, who loses, what it costs.   (B-01, A-17)

Each claim is judged twice on the same facts, those of its latest screening: by the version that screened it, and by
the simulated one, as though it had been in force on the claim's day. So a version that is simulated over claims which
it judged itself changes nothing, and what people decided beyond the rules stays theirs.

A claim comes *further* when a failed rule is no longer failed (or is now undecided), or when all rules are passed that
were not. It is worth the amount of its version where all rules are passed, else nothing.

- *pending* (not decided yet): gains where it comes further, or is worth more; loses where it falls back, or is worth
  less. Costs what it is worth under either version.
- *approved*, *paid*: likewise, beside what was approved or paid. "Loses" says that such a claim would not be paid, or
  less; nothing is taken back. Where the rules find it no other than before, it costs what it costs.
- *rejected*: gains where it comes further; costs nothing now, and its worth then. It cannot lose. A claim that was
  rejected though no rule failed was rejected by a person, and is unchanged.
- *withdrawn*: unchanged, and costs nothing.

Money is CNY, exact; months are those of submission, Asia/Shanghai.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from services.subsidy.domain.facts import Facts
from services.subsidy.domain.screening import Compiled, Verdict, verdict
from services.subsidy.domain.snapshot import Standing

Group = Literal["gaining", "losing", "unchanged"]

NOTHING = Decimal(0)
EXAMPLES = 20
"""How many claims of each group are named."""


class Compared(NamedTuple):
    """One claim under both versions; costs in CNY."""

    group: Group
    cost_now: Decimal
    cost_then: Decimal


_UNCHANGED = Compared("unchanged", NOTHING, NOTHING)
_RANK: dict[Verdict, int] = {False: 0, None: 1, True: 2}


def compare(standing: Standing, amount: Decimal, facts: Facts, before: Compiled, after: Compiled) -> Compared:
    """What the version `after` would make of a claim that `before` screened; `amount` was approved or paid."""
    if standing == "withdrawn":
        return _UNCHANGED
    was, worth_now = _judged(before, facts)
    would, worth_then = _judged(after, facts)
    further = _RANK[would] - _RANK[was]
    if standing == "rejected":
        return Compared("gaining", NOTHING, worth_then) if further > 0 else _UNCHANGED
    cost_now = worth_now if standing == "pending" else amount
    if further == 0 and would is not True:
        return Compared("unchanged", cost_now, cost_now)
    if further > 0 and would is None:
        return Compared("gaining", cost_now, cost_now)
    grows = worth_then - cost_now if further == 0 else further
    return Compared("gaining" if grows > 0 else "losing" if grows < 0 else "unchanged", cost_now, worth_then)


def _judged(version: Compiled, facts: Facts) -> tuple[Verdict, Decimal]:
    """What the rules say, and what the claim is worth; nobody can be paid an amount that is not set."""
    found = verdict(version, facts)
    if found is not True:
        return found, NOTHING
    amount = version.amount(facts)
    return (None, NOTHING) if amount is None else (True, amount)


# -- the sums ---------------------------------------------------------------------------------------------------------


class SimulatedCell(msgspec.Struct, frozen=True):
    """One district's claims of one month of submission; costs in CNY, before (`cost_now`) and under the version."""

    district: str
    month: str
    claims: int
    gaining: int
    losing: int
    cost_now: Decimal
    cost_then: Decimal


class SimulatedClaims(msgspec.Struct, frozen=True):
    """Some claims of each group, by id, the oldest first."""

    gaining: tuple[str, ...]
    losing: tuple[str, ...]
    unchanged: tuple[str, ...]


class Simulation(msgspec.Struct, frozen=True):
    """What came of a simulation; see the module. `not_judged`: claims that no version has screened yet."""

    simulation_id: str
    programme: str
    version: str
    claims: int
    not_judged: int
    gaining: int
    losing: int
    unchanged: int
    cost_now: Decimal
    cost_then: Decimal
    by_district_and_month: tuple[SimulatedCell, ...]
    examples: SimulatedClaims


class _Sum:
    __slots__ = ("claims", "cost_now", "cost_then", "gaining", "losing")

    def __init__(self) -> None:
        self.claims = self.gaining = self.losing = 0
        self.cost_now = self.cost_then = Decimal("0.00")


class Tally:
    """Adds up compared claims as they come."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], _Sum] = {}
        self._named: dict[Group, list[str]] = {"gaining": [], "losing": [], "unchanged": []}
        self.not_judged = 0

    def add(self, id: str, district: str, month: str, compared: Compared) -> None:
        group, cost_now, cost_then = compared
        found = self._sums.get((district, month))
        if found is None:
            found = self._sums[district, month] = _Sum()
        found.claims += 1
        found.cost_now += cost_now
        found.cost_then += cost_then
        if group == "gaining":
            found.gaining += 1
        elif group == "losing":
            found.losing += 1
        named = self._named[group]
        if len(named) < EXAMPLES:
            named.append(id)

    def result(self, simulation_id: str, programme: str, version: str) -> Simulation:
        sums = list(self._sums.values())

        def total(of: Callable[[_Sum], int]) -> int:
            return sum(map(of, sums))

        claims, gaining, losing = total(lambda s: s.claims), total(lambda s: s.gaining), total(lambda s: s.losing)
        return Simulation(
            simulation_id,
            programme,
            version,
            claims,
            self.not_judged,
            gaining,
            losing,
            claims - gaining - losing,
            sum((item.cost_now for item in sums), Decimal("0.00")),
            sum((item.cost_then for item in sums), Decimal("0.00")),
            tuple(
                SimulatedCell(*place, one.claims, one.gaining, one.losing, one.cost_now, one.cost_then)
                for place, one in sorted(self._sums.items())
            ),
            SimulatedClaims(*(tuple(ids) for ids in self._named.values())),
        )
