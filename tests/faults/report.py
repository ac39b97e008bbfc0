"""What a run of the faults leaves: one line of results per test, and the document that is made of them.

`HUCHUANG_FAULT_RESULTS=FILE pytest tests/faults` adds to FILE; `python -m tests.faults.report` makes
docs/reliability.md of the results that are checked in beside this module.
"""

import os
from pathlib import Path

import msgspec

VARIABLE = "HUCHUANG_FAULT_RESULTS"
RESULTS = Path(__file__).with_name("results.jsonl")
DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
PREFACE = """\
# Reliability: what was done to the services, and what became of it

Made by `python -m tests.faults.report` of what runs of `tests/faults` have left in `tests/faults/results.jsonl`; not
written by hand. A *round* is one fault that fired. "All holds" means: every figure is the predicted one, and
`huchuang verify --all` finds nothing, in a stack that has come to rest again. A seed makes the same choices again, in
`HUCHUANG_FAULT_SEED`.

| fault | where | rounds | outcome | seed |
|---|---|---|---|---|
"""


class Result(msgspec.Struct, frozen=True):
    """What became of one kind of fault: how often it was made, and what was seen then."""

    fault: str
    where: str
    rounds: int
    outcome: str
    seed: str
    points: dict[str, int] = {}
    """How many rounds each place saw, for a table of its own."""


def keep(result: Result) -> None:
    """Add a result to the file that `HUCHUANG_FAULT_RESULTS` names, if it names one."""
    if (named := os.environ.get(VARIABLE)) is not None:
        with Path(named).open("ab") as file:
            file.write(msgspec.json.encode(result, order="deterministic") + b"\n")


def render(results: list[Result]) -> str:
    """The document."""
    newest = {(result.fault, result.where): result for result in results}
    rows = [f"| {r.fault} | {r.where} | {r.rounds} | {r.outcome} | {r.seed} |" for r in newest.values()]
    tables = [table for result in newest.values() if result.points for table in _points(result)]
    return PREFACE + "\n".join([*rows, *tables]) + "\n"


def _points(result: Result) -> list[str]:
    services = sorted({name.partition(" ")[0] for name in result.points})
    points = list(dict.fromkeys(name.partition(" ")[2] for name in result.points))
    lines = ["", f"## {result.fault}, {result.where}: rounds by point", ""]
    lines += ["| point | " + " | ".join(services) + " |", "|---|" + "---|" * len(services)]
    for point in points:
        counts = [str(result.points.get(f"{service} {point}", "")) for service in services]
        lines.append(f"| {point} | " + " | ".join(counts) + " |")
    return lines


def read(path: Path = RESULTS) -> list[Result]:
    return [msgspec.json.decode(line, type=Result) for line in path.read_bytes().splitlines()]


def main() -> None:
    DOCUMENT.write_text(render(read()), encoding="utf-8")


if __name__ == "__main__":
    main()
