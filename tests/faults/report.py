"""What a run of the faults leaves: one line of results per test, and the document that is made of them.

`HUCHUANG_FAULT_RESULTS=FILE pytest tests/faults` adds to FILE; `python -m tests.faults.report [FILE]` makes
docs/reliability.md of the results that are checked in beside this module, once FILE has taken their place.
"""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

from deploy.local.brokers.choice import DEFAULT
from deploy.local.settings import SERVICES
from shared.testing.fault_points import FaultPoint

VARIABLE = "HUCHUANG_FAULT_RESULTS"
RESULTS = Path(__file__).with_name("results.jsonl")
DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
PREFACE = """\
# Reliability: what was done to the services, and what became of it

Made by `make test-full` of what its faults have left in `tests/faults/results.jsonl`; not written by hand. A *round* is
one fault that was made, a *run* what was checked as a whole afterwards. "All holds" means: every figure is the one that
the demo's roads predict, and `huchuang verify --all` finds nothing, in a stack that has come to rest.
`HUCHUANG_FAULT_SEED` makes the choices of a run again. The code was that of {commits}.

| fault | where | runs | rounds | outcome | seeds |
|---|---|---|---|---|---|
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
    commit: str = ""
    """What was checked out; ends with `+` where something was changed."""


def on(broker: str, where: str = "every service") -> str:
    """Where a fault was made, when the broker is not the one that every stack has."""
    return where if broker == DEFAULT else f"{where}, on {broker} Kafka"


def keep(result: Result) -> None:
    """Add a result to the file that `HUCHUANG_FAULT_RESULTS` names, if it names one."""
    if (named := os.environ.get(VARIABLE)) is not None:
        with Path(named).open("ab") as file:
            written = msgspec.structs.replace(result, commit=checked_out())
            file.write(msgspec.json.encode(written, order="deterministic") + b"\n")


@cache
def checked_out() -> str:
    """The commit that this code is of; empty where there is no git."""

    def git(*words: str) -> str:
        return subprocess.run(("git", *words), cwd=RESULTS.parent, capture_output=True, text=True, check=True).stdout

    try:
        return git("rev-parse", "--short", "HEAD").strip() + "+" * bool(git("status", "--porcelain"))
    except (FileNotFoundError, subprocess.CalledProcessError):
        return ""


def render(results: list[Result]) -> str:
    """The document: runs of the same fault at the same place are one row."""
    commits = ", ".join(f"`{commit}`" for commit in dict.fromkeys(one.commit or "unknown" for one in results))
    runs: dict[tuple[str, str, str], list[Result]] = {}
    for result in results:
        runs.setdefault((result.fault, result.where, result.outcome), []).append(result)
    rows = [
        f"| {fault} | {where} | {len(found)} | {sum(one.rounds for one in found)} | {outcome} |"
        f" {', '.join(sorted({one.seed for one in found if one.seed}))} |"
        for (fault, where, outcome), found in sorted(runs.items())
    ]
    counts: dict[tuple[str, str], Counter[str]] = {}
    for one in results:
        if one.points:
            counts.setdefault((one.fault, one.where), Counter()).update(one.points)
    tables = [line for (fault, where), found in counts.items() for line in _points(f"{fault}, {where}", found)]
    return PREFACE.format(commits=commits) + "\n".join([*rows, *tables]) + "\n"


def _points(title: str, counts: Mapping[str, int]) -> list[str]:
    """How many rounds each service saw at each point; empty where it never gets."""
    there = [point for point in FaultPoint if any(name.endswith(f" {point}") for name in counts)]
    lines = ["", f"## {title}: rounds by point", ""]
    lines += ["| point | " + " | ".join(SERVICES) + " |", "|---" * (len(SERVICES) + 1) + "|"]
    for point in there:
        cells = (str(counts.get(f"{service} {point}", "")) for service in SERVICES)
        lines.append(f"| `{point}` | {' | '.join(cells)} |")
    return lines


def read() -> list[Result]:
    return [msgspec.json.decode(line, type=Result) for line in RESULTS.read_bytes().splitlines()]


def main(fresh: str | None = None) -> None:
    if fresh is not None:
        shutil.copyfile(fresh, RESULTS)
    DOCUMENT.write_text(render(read()), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
