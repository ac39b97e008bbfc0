"""Counts what was sent and what came back."""

from collections import Counter

LINKED = "along a link"


class Tally:
    """Cases by status and by kind, sequences by their steps and by the longest way along links through successes."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.linked_statuses: Counter[int] = Counter()
        self.operations: dict[str, bool] = {}
        """Whether an operation has ever succeeded."""
        self.kinds: Counter[str] = Counter()
        self.sequences: Counter[str] = Counter()
        self.ways: Counter[int] = Counter()

    @property
    def cases(self) -> int:
        return sum(self.statuses.values())

    @property
    def steps(self) -> int:
        return sum(number for kind, number in self.kinds.items() if kind.startswith("step"))

    @property
    def linked(self) -> int:
        """Sequences in which a call followed from the success of another."""
        return sum(number for way, number in self.ways.items() if way >= 2)

    def add(self, operation: str, status: int, kind: str) -> None:
        self.statuses[status] += 1
        self.kinds[kind] += 1
        self.operations[operation] = self.operations.get(operation, False) or status < 300
        if LINKED in kind:
            self.linked_statuses[status] += 1

    def add_sequence(self, service: str, longest: int) -> None:
        """`longest`: the most steps of it that followed from one another, each from the success of the one before."""
        self.sequences[service] += 1
        self.ways[longest] += 1

    def __str__(self) -> str:
        never = ", ".join(sorted(one for one, succeeded in self.operations.items() if not succeeded))
        lines = [
            f"{self.cases} cases, {self.steps} of them steps of {self.sequences.total()} sequences",
            f"by status: {_told(self.statuses)}",
            f"by kind: {_told(self.kinds)}",
            f"steps along a link by status: {_told(self.linked_statuses)}",
            f"operations that succeeded: {sum(self.operations.values())} of {len(self.operations)}; never: {never}",
            f"sequences by service: {_told(self.sequences)}",
            f"sequences by their longest way along links: {_told(self.ways)}",
            f"sequences of two steps or more with a success in between: {self.linked}",
        ]
        return "\n".join(lines)


def _told(counted: Counter[int] | Counter[str]) -> str:
    return ", ".join(f"{key}: {number}" for key, number in sorted(counted.items()))
